/** What the writers were told, in the end. */
export interface Claims {
  /** Of everybody whose creation was acknowledged, by id. */
  readonly users: ReadonlyMap<string, UserClaims>;
}

export interface UserClaims {
  /** Acknowledged changes: the version that each made, and the mark that it wrote. */
  readonly changes: ReadonlyMap<number, string>;
  /** `unknown`: a deletion was asked for, and nobody knows what became of it. */
  readonly deletion: "none" | "unknown" | "acknowledged";
}

/** What is there, in every place, when nothing moves any more. */
export interface Evidence {
  /** Rows of the user service, by id. */
  readonly owner: ReadonlyMap<string, { readonly version: number; readonly mark: string }>;
  /** What the ledger wrote, a row for each time that it took in an event. */
  readonly effects: readonly Effect[];
  /** Documents of the index; one that is there twice is listed twice. */
  readonly documents: readonly { readonly id: string; readonly mark: string }[];
  /** How many documents a search finds that asks for all. */
  readonly found: number;
  /** Notifications, whatever kind they are. */
  readonly notifications: readonly { readonly userId: string; readonly type: string }[];
  /** Events that a consumer gave up: in words, with the reason. */
  readonly deadLetters: readonly string[];
}

export interface Effect {
  readonly userId: string;
  readonly version: number;
  /** The deletion of a user has no mark. */
  readonly kind: "created" | "updated" | "deleted";
  readonly mark: string;
}

/** Something that is not as it has to be. */
export interface Difference {
  readonly kind: "lost" | "doubled" | "resurrected";
  /** In words. */
  readonly what: string;
}

/**
 * Compares what was acknowledged with what is there. Empty when every acknowledged change is in the owner's rows and in
 * the index, every version of every user had one effect, everybody is welcomed once, and nothing is left of whoever was
 * deleted.
 *
 * A change whose caller got no answer may have happened or not: then the owner's row says which, and everybody else has
 * to agree.
 */
export function account(claims: Claims, evidence: Evidence): readonly Difference[] {
  const differences: Difference[] = [];
  const effects = Map.groupBy(evidence.effects, ({ userId }) => userId);
  const documents = Map.groupBy(evidence.documents, ({ id }) => id);
  const inboxes = Map.groupBy(evidence.notifications, ({ userId }) => userId);
  const ids = new Set([
    ...[claims.users, evidence.owner, effects, documents, inboxes].flatMap((places) => [...places.keys()]),
  ]);
  for (const id of ids) {
    const told = claims.users.get(id);
    const row = evidence.owner.get(id);
    const ofUser = effects.get(id) ?? [];
    const welcomes = inboxes.get(id) ?? [];
    const places = { row, documents: documents.get(id) ?? [], welcomes: welcomes.length };
    const found = [...ofOwner(told, row), ...ofEffects(told, row, ofUser), ...ofCopies(places)];
    differences.push(...found.map(({ kind, what }) => ({ kind, what: `${id}: ${what}` })));
  }
  return [...differences, ...ofWhole(evidence)];
}

/** How many there are of each kind. */
export function countDifferences(differences: readonly Difference[]): Readonly<Record<Difference["kind"], number>> {
  const count = (wanted: Difference["kind"]): number => differences.filter(({ kind }) => kind === wanted).length;
  return { lost: count("lost"), doubled: count("doubled"), resurrected: count("resurrected") };
}

type Row = { readonly version: number; readonly mark: string } | undefined;

/** The owner keeps what it acknowledged. */
function ofOwner(told: UserClaims | undefined, row: Row): Difference[] {
  if (told === undefined) return [];
  if (row === undefined) return told.deletion === "none" ? [lost("the owner has no row, and nobody deleted it")] : [];
  if (told.deletion === "acknowledged") return [resurrected("deleted, and the owner has a row")];
  const last = Math.max(...told.changes.keys());
  if (row.version < last) return [lost(`version ${last} was acknowledged, and the owner has ${row.version}`)];
  const mark = told.changes.get(row.version);
  if (mark !== undefined && mark !== row.mark) {
    return [lost(`version ${row.version} was acknowledged with ${mark}, and the owner has ${row.mark}`)];
  }
  return [];
}

/** Every version that came to be took effect, and none took effect twice. */
function ofEffects(told: UserClaims | undefined, row: Row, effects: readonly Effect[]): Difference[] {
  const differences: Difference[] = [];
  const byVersion = Map.groupBy(effects, ({ version }) => version);
  const newest = Math.max(0, ...byVersion.keys());
  // Of somebody who is gone, the last event says how many versions there were: it has to be the deletion.
  const last = row?.version ?? Math.max(newest, ...(told?.changes.keys() ?? []));
  for (let version = 1; version <= last; version += 1) {
    const [effect, ...more] = byVersion.get(version) ?? [];
    if (effect === undefined) differences.push(lost(`version ${version} of ${last} had no effect`));
    if (more.length > 0) differences.push(doubled(`version ${version} had ${more.length + 1} effects`));
    const mark = version === row?.version ? row.mark : told?.changes.get(version);
    if (effect !== undefined && mark !== undefined && effect.mark !== mark) {
      differences.push(lost(`version ${version} is ${mark}, and its effect was ${effect.mark}`));
    }
  }
  for (const version of byVersion.keys()) {
    if (version > last)
      differences.push(doubled(`version ${version} had an effect, and the owner has ${last} versions`));
  }
  for (const [mark, ofMark] of Map.groupBy(effects, (effect) => effect.mark)) {
    const versions = new Set(ofMark.map(({ version }) => version));
    if (mark !== "" && versions.size > 1) differences.push(doubled(`${mark} made versions ${[...versions].join()}`));
  }
  const end = byVersion.get(newest)?.[0]?.kind;
  if (row === undefined && effects.length > 0 && end !== "deleted")
    differences.push(lost("the deletion had no effect"));
  return differences;
}

/** Index and inbox are as the owner says. */
function ofCopies({
  row,
  documents,
  welcomes,
}: {
  readonly row: Row;
  readonly documents: readonly { readonly mark: string }[];
  readonly welcomes: number;
}): Difference[] {
  if (row === undefined) {
    return [
      ...(documents.length > 0 ? [resurrected("deleted, and in the index")] : []),
      ...(welcomes > 0 ? [resurrected(`deleted, and ${welcomes} notifications are left`)] : []),
    ];
  }
  const [document, ...more] = documents;
  return [
    ...(document === undefined ? [lost(`version ${row.version} is not in the index`)] : []),
    ...(document !== undefined && document.mark !== row.mark
      ? [lost(`version ${row.version} is ${row.mark}, and the index has ${document.mark}`)]
      : []),
    ...(more.length > 0 ? [doubled(`${documents.length} times in the index`)] : []),
    ...(welcomes === 0 ? [lost("never welcomed")] : []),
    ...(welcomes > 1 ? [doubled(`${welcomes} notifications for one welcome`)] : []),
  ];
}

function ofWhole({ documents, found, deadLetters }: Evidence): Difference[] {
  const counts = `a search finds ${found} of ${documents.length} documents`;
  return [
    ...(found < documents.length ? [lost(counts)] : []),
    ...(found > documents.length ? [resurrected(counts)] : []),
    ...deadLetters.map((letter) => lost(`given up: ${letter}`)),
  ];
}

function lost(what: string): Difference {
  return { kind: "lost", what };
}

function doubled(what: string): Difference {
  return { kind: "doubled", what };
}

function resurrected(what: string): Difference {
  return { kind: "resurrected", what };
}
