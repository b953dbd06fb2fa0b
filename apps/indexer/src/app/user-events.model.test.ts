import { create } from "@bufbuild/protobuf";
import { type UserEvent, UserStateSchema } from "@weft/contracts/event";
import {
  type ConsumersFixture,
  consumerLaws,
  describeConsumer,
  lived,
  type TestConsumer,
  type ToldEvent,
} from "@weft/inbox/conformance";
import { isWeftError, type JsonObject, ManualClock } from "@weft/kit";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { ChangeResult, DocumentChange, SearchEngine } from "@weft/search";
import { usersIndex } from "../domain/users-index.ts";
import { openTestEngine } from "../testing.ts";
import { takeIn } from "./user-events.ts";

type Engine = Pick<SearchEngine, "apply" | "getDocument">;

/** The group of indexers on an engine. */
function indexers(engine: Engine): TestConsumer {
  /** Changes that were applied, by document and version. */
  const applied: string[] = [];
  const counting: Pick<SearchEngine, "apply"> = {
    async apply(index, changes) {
      const results = await engine.apply(index, changes);
      for (const [at, { id, version }] of changes.entries()) {
        if (results[at]?.outcome === "applied") applied.push(`${id}@${version}`);
      }
      return results;
    },
  };
  const nameOf = async (id: string): Promise<unknown> => {
    try {
      return (await engine.getDocument(usersIndex.index, id))["name"];
    } catch (error) {
      if (isWeftError(error, "NOT_FOUND")) return undefined;
      throw error;
    }
  };
  return {
    take: (event, life) => takeIn(lived(counting, life, ["apply"]), told(event)),
    async outcome(events) {
      const keys = [...new Set(events.map(({ key }) => key))];
      const ours = applied.filter((one) => keys.some((key) => one.startsWith(`${key}@`)));
      return {
        names: await Promise.all(keys.map(nameOf)),
        twice: ours.filter((one, at) => ours.indexOf(one) < at),
      };
    },
    expected(events) {
      // The last of each aggregate is the newest.
      const last = new Map(events.map((event) => [event.key, event]));
      return {
        names: [...last.values()].map(({ kind, version }) => (kind === "deleted" ? undefined : `V${version}`)),
        twice: [],
      };
    },
  };
}

function told({ key: id, kind, version }: ToldEvent): UserEvent {
  if (kind === "deleted") return { kind, id, version: BigInt(version) };
  return { kind, user: create(UserStateSchema, { id, name: `V${version}`, version: BigInt(version) }) };
}

async function openEmbedded(): Promise<ConsumersFixture> {
  const stack = new AsyncDisposableStack();
  const clock = new ManualClock();
  const engine = await openTestEngine(stack, clock);
  await engine.createIndex(usersIndex);
  return fixtureOf(engine, clock, stack);
}

function fixtureOf(engine: Engine, clock: ManualClock, stack = new AsyncDisposableStack()): ConsumersFixture {
  return {
    consumers: [indexers(engine)],
    pass: (ms) => clock.advance(ms),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describeConsumer("the indexer", openEmbedded);

interface Row {
  readonly version: bigint;
  readonly document: JsonObject | undefined;
  readonly time: number;
}

/** What an engine may get wrong. */
interface Faults {
  /** Whether a change replaces a row. */
  readonly replaces?: (change: bigint, stored: bigint) => boolean;
  /** How long the version of a deletion is kept, in milliseconds. */
  readonly tombstoneMs?: number;
  /** Looks at the stored version before it writes, not while. */
  readonly looksBefore?: boolean;
}

/** An engine that is a map. */
function toyEngine(clock: ManualClock, faults: Faults = {}): Engine {
  const { replaces = (change, stored) => change > stored, tombstoneMs = Infinity, looksBefore = false } = faults;
  const rows = new Map<string, Row>();
  const read = (id: string): Row | undefined => {
    const row = rows.get(id);
    return row?.document === undefined && clock.now() - (row?.time ?? 0) >= tombstoneMs ? undefined : row;
  };
  const apply = async (change: DocumentChange): Promise<ChangeResult> => {
    const stored = read(change.id);
    if (looksBefore) await new Promise((resolve) => setImmediate(resolve));
    const version = change.version ?? (stored?.version ?? 0n) + 1n;
    if (stored !== undefined && !replaces(version, stored.version)) return { outcome: "superseded" };
    rows.set(change.id, { version, document: change.kind === "put" ? change.document : undefined, time: clock.now() });
    return { outcome: "applied" };
  };
  return {
    apply: (_index, changes) => Promise.all(changes.map(apply)),
    getDocument: async (_index, id) => read(id)?.document ?? {},
  };
}

async function openToy(faults?: Faults, change: (one: DocumentChange) => DocumentChange = (one) => one) {
  const clock = new ManualClock();
  const toy = toyEngine(clock, faults);
  return fixtureOf({ ...toy, apply: (index, changes) => toy.apply(index, changes.map(change)) }, clock);
}

describeConsumer("the indexer on a toy, which its mutants are made of", openToy);

function mutant(breaks: string, fault: string, ...faulty: Parameters<typeof openToy>): Mutant<ConsumersFixture> {
  return { breaks, fault, open: () => openToy(...faulty) };
}

const withoutVersion = ({ version: _, ...change }: DocumentChange): DocumentChange => change;

describeMutants("the laws of consumers notice an indexer", consumerLaws({ seed: 1, runs: 100, shrink: false }), [
  mutant("I1", "an equal version is applied again", { replaces: (change, stored) => change >= stored }),
  mutant("I4", "an older version is applied", { replaces: (change, stored) => change !== stored }),
  mutant("I4", "changes go without their version", {}, withoutVersion),
  mutant("I4", "deletions leave no tombstone", { tombstoneMs: 0 }),
  mutant("I5", "tombstones are forgotten after a year", { tombstoneMs: 365 * 24 * 3_600_000 }),
  mutant("I3", "the version is looked at before the write, not while", { looksBefore: true }),
]);
