import { type ControlledTransaction, sql } from "kysely";
import { isWeftError, systemClock } from "@weft/kit";
import { within } from "@weft/kit/testing";
import type { CloudEvent, KeyedEvent } from "@weft/pubsub";
import type { InsertLogReader, SqlDatabase } from "@weft/sql";
import type { BatchOptions } from "./batch.ts";
import { addToOutbox, outboxMigrations } from "./index.ts";
import { LogRelay } from "./log-relay.ts";
import { insertLog } from "./table.ts";
import { TableRelay } from "./table-relay.ts";
import type { Unseen } from "./unseen.ts";

type Database = SqlDatabase<unknown>;
type Publish = BatchOptions<unknown>["pubsub"]["publish"];

/** Ways to be wrong, for mutants; and some to be slow, for the laws. */
export interface Changes {
  /** Events are added in a transaction of their own. */
  readonly addsOutside?: boolean;
  readonly unseen?: () => Unseen;
  readonly publish?: (right: Publish) => Publish;
  readonly sql?: (right: Database) => Pick<Database, "transaction">;
  readonly log?: (right: InsertLogReader) => InsertLogReader;
}

/** A reader of the log with some of its methods replaced. */
export function withLog(change: (right: InsertLogReader) => Partial<InsertLogReader>): Changes {
  return {
    log: (right) => ({
      read: (limit, signal) => right.read(limit, signal),
      settled: () => right.settled(),
      confirm: (position) => right.confirm(position),
      [Symbol.asyncDispose]: () => right[Symbol.asyncDispose](),
      ...change(right),
    }),
  };
}

/** One leadership. Disposing it is a kill: it leaves nothing but what the database has. */
export interface Leader extends AsyncDisposable {
  /** Relays a batch; there is something to relay, or it waits. */
  relay(): Promise<void>;
  /** It loses what makes it the one reader of the log, where there is one, and does not notice. */
  loseLog(): Promise<void>;
}

/** A database with an outbox, and things that change with an event each. */
export interface OutboxFixture extends AsyncDisposable {
  readonly kind: "table" | "replication";
  begin(): Promise<ControlledTransaction<unknown>>;
  /** The next version of a thing, and its event, named by `id`. */
  change(transaction: ControlledTransaction<unknown>, key: string, id: string): Promise<void>;
  lead(publish: Publish): Promise<Leader>;
}

/** Long enough for a machine that stalls; a right relay never gets there. In milliseconds. */
const longMs = 20_000;

/** On a new database, which the fixture closes. */
export async function openFixture(
  open: () => Promise<Database>,
  kind: OutboxFixture["kind"],
  changes: Changes = {},
): Promise<OutboxFixture> {
  const stack = new AsyncDisposableStack();
  const database = stack.use(await open());
  const things = "create table things (id text primary key, version int not null)";
  await database.migrate([...outboxMigrations, { name: "1000-things", up: things }]);
  if (kind === "replication") {
    await database.insertLogs.make(insertLog, () => Promise.resolve(), AbortSignal.timeout(longMs));
    stack.defer(() => within(longMs, "the end of the log", () => released(database.insertLogs.drop(insertLog.name))));
  }
  const lead = kind === "table" ? leadByTable : leadByLog;
  return {
    kind,
    begin: () => database.kysely.startTransaction().execute(),
    change: async (transaction, key, id) => {
      const entry = { topic: "t", key, event: eventOf(id, await nextVersion(transaction, key)) };
      if (changes.addsOutside) await database.transaction((other) => addToOutbox(other, entry));
      else await addToOutbox(transaction, entry);
    },
    lead: (publish) => lead(database, publish, changes),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function optionsOf(database: Database, publish: Publish, changes: Changes): BatchOptions<unknown> {
  return {
    sql: changes.sql?.(database) ?? database,
    pubsub: { publish: changes.publish?.(publish) ?? publish },
    // Small: what does not fit into one batch is where things go wrong.
    limits: { events: 3, bytes: 1000 },
    publishTimeoutMs: longMs,
    clock: systemClock,
  };
}

async function leadByTable(database: Database, publish: Publish, changes: Changes): Promise<Leader> {
  const relay = new TableRelay(optionsOf(database, publish, changes), changes.unseen?.());
  const nothing = (): Promise<void> => Promise.resolve();
  return { relay: async () => void (await relay.relay()), loseLog: nothing, [Symbol.asyncDispose]: nothing };
}

async function leadByLog(database: Database, publish: Publish, changes: Changes): Promise<Leader> {
  let log: InsertLogReader | undefined;
  // The one before it may need a moment to be gone.
  await within(longMs, "the log", () => released(database.insertLogs.open(insertLog).then((open) => (log = open))));
  if (log === undefined) throw new Error("there is no log");
  const reader = log;
  const relay = new LogRelay(optionsOf(database, publish, changes), changes.log?.(reader) ?? reader);
  return {
    relay: async () => void (await relay.relay(AbortSignal.timeout(longMs))),
    loseLog: async () => void (await reader[Symbol.asyncDispose]()),
    [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
  };
}

/** Whether it worked; not while somebody else has the log. */
async function released(work: Promise<unknown>): Promise<boolean> {
  try {
    await work;
    return true;
  } catch (error) {
    if (isWeftError(error) && error.reason === "UNAVAILABLE") return false;
    throw error;
  }
}

async function nextVersion(transaction: ControlledTransaction<unknown>, key: string): Promise<number> {
  const { rows } = await sql<{ version: number }>`
    insert into things values (${key}, 1) on conflict (id) do update set version = things.version + 1
    returning version`.execute(transaction);
  return rows[0]?.version ?? 0;
}

function eventOf(id: string, version: number): CloudEvent {
  return {
    id,
    source: "/test",
    type: "test.Changed",
    time: 0,
    dataContentType: "text/plain",
    // Two of them are more than a batch takes.
    data: Buffer.alloc(id.length % 2 === 0 ? 700 : 100),
    extensions: { aggregateversion: String(version) },
  };
}

export function versionOf({ event }: KeyedEvent): number {
  return Number(event.extensions["aggregateversion"]);
}
