import { Blocks, openPubSub, openSql, openState } from "@weft/blocks";
import { userTopic } from "@weft/contracts/event";
import { Secret } from "@weft/kit";
import type { PubSub } from "@weft/pubsub";
import type { SqlDatabase } from "@weft/sql";
import { openPostgres } from "@weft/sql-postgres";
import { type Mesh, rest } from "@weft/system-tests";
import type { Evidence } from "./account.ts";
import { ledgerGroup } from "./ledger.ts";
import { type LedgerSchema, readEffects } from "./ledger-store.ts";
import type { World } from "./world.ts";

/** Everybody who takes in the events of users. */
const groups = ["indexer", "notification", ledgerGroup];
const pageSize = 1000;

/** The part of the user service's schema that the account is about. */
interface OwnerSchema {
  readonly users: { id: string; email: string; version: number; bio: string };
}

type Inboxes = Awaited<ReturnType<typeof openState>>;

/** Looks at every place. Rejects while one of them can't be asked. */
export class Witness implements AsyncDisposable {
  readonly #mesh: Mesh;
  readonly #owner: SqlDatabase<OwnerSchema>;
  readonly #ledger: SqlDatabase<LedgerSchema>;
  readonly #inboxes: Inboxes;
  readonly #pubsub: PubSub;
  readonly #stack: AsyncDisposableStack;
  readonly #emails: string;

  private constructor(
    mesh: Mesh,
    blocks: {
      readonly owner: SqlDatabase<OwnerSchema>;
      readonly ledger: SqlDatabase<LedgerSchema>;
      readonly inboxes: Inboxes;
      readonly pubsub: PubSub;
    },
    { stack, name }: { readonly stack: AsyncDisposableStack; readonly name: string },
  ) {
    this.#mesh = mesh;
    this.#owner = blocks.owner;
    this.#ledger = blocks.ledger;
    this.#inboxes = blocks.inboxes;
    this.#pubsub = blocks.pubsub;
    this.#stack = stack;
    this.#emails = `${name}-%`;
  }

  /** @param name what the e-mail addresses of all users begin with */
  static async open({ mesh, urls, ledgerUrls }: World, name: string): Promise<Witness> {
    await using stack = new AsyncDisposableStack();
    const { dataDir } = mesh;
    const blocks = new Blocks({ dataDir, urls, stack });
    const found = {
      owner: await openSql<OwnerSchema>(blocks),
      ledger: stack.use(await openPostgres<LedgerSchema>({ url: new Secret(String(ledgerUrls.sql)) })),
      inboxes: await openState(blocks, "notification"),
      pubsub: await openPubSub(blocks),
    };
    return new Witness(mesh, found, { stack: stack.move(), name });
  }

  /** How many events are still on their way to those who take them in. */
  async lag(): Promise<number> {
    const lags = await Promise.all(groups.map((group) => this.#pubsub.lag(group)));
    return lags.flat().reduce((sum, { committed, end }) => sum + Number(end - committed), 0);
  }

  async evidence(): Promise<Evidence> {
    const rows = await this.#owner.kysely
      .selectFrom("users")
      .select(["id", "version", "bio as mark"])
      .where("email", "like", this.#emails)
      .execute();
    return {
      owner: new Map(rows.map(({ id, version, mark }) => [id, { version, mark }])),
      effects: await readEffects(this.#ledger.kysely),
      documents: await this.#documents(),
      found: (await this.#ask<{ readonly totalHits: number }>("/search/users?pageSize=1")).totalHits,
      notifications: await this.#notifications(),
      deadLetters: await this.#deadLetters(),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }

  async #documents(): Promise<Evidence["documents"]> {
    const text = await this.#ask<string>("/search/users:export?q=");
    const lines = text.split("\n").filter((line) => line !== "");
    const documents = lines.map((line) => JSON.parse(line) as { readonly id: string; readonly bio?: string });
    return documents.map(({ id, bio = "" }) => ({ id, mark: bio }));
  }

  /** From the store: what the service would not show of somebody who was deleted is to be gone, too. */
  async #notifications(): Promise<Evidence["notifications"]> {
    const all: { userId: string; type: string }[] = [];
    for (let after: string | undefined; ;) {
      const page = { prefix: "inbox/", limit: pageSize, ...(after === undefined ? {} : { after }) };
      const entries = await this.#inboxes.range(page);
      all.push(...entries.map(({ value }) => JSON.parse(Buffer.from(value).toString()) as (typeof all)[number]));
      after = entries.at(-1)?.key;
      if (entries.length < pageSize) return all;
    }
  }

  async #deadLetters(): Promise<readonly string[]> {
    const ofGroups = groups.map((group) => this.#pubsub.deadLetters({ topic: userTopic.name, group }));
    const letters = (await Promise.all(ofGroups)).flat();
    return letters.map(({ group, reason, detail, delivery }) => `${delivery.key} by ${group}: ${reason} ${detail}`);
  }

  async #ask<Body>(path: string): Promise<Body> {
    const { status, headers, body } = await rest<Body>(this.#mesh, path, { timeoutMs: 30_000 });
    if (status !== 200) throw new Error(`${path} answered ${status}`);
    // Not what is, but what was.
    if (headers.has("weft-degraded")) throw new Error(`${path} got a degraded answer`);
    return body;
  }
}
