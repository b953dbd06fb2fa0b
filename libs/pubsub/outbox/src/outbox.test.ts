import { sql, type Transaction } from "kysely";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Log, silentLog, WeftError } from "@weft/kit";
import type { Locks } from "@weft/lock";
import type { CloudEvent, KeyedEvent } from "@weft/pubsub";
import type { SqlDatabase } from "@weft/sql";
import { openPostgres } from "@weft/sql-postgres";
import { holdCommits, startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import { addToOutbox, outboxMigrations, type OutboxRelayOptions, runOutboxRelay } from "./index.ts";
import { insertLog } from "./table.ts";

let postgres: TestPostgres;
let database: SqlDatabase<unknown>;
let stack: AsyncDisposableStack;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());
beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const url = await postgres.freshDatabase({ logsAtOnce: true });
  database = stack.use(await openPostgres<unknown>({ url, poolSize: 20 }));
  stack.defer(async () => {
    const dropped = (): Promise<boolean> =>
      database.insertLogs.drop(insertLog.name).then(
        () => true,
        () => false,
      );
    await expect.poll(dropped, eventually).toBe(true);
  });
  await database.migrate([
    ...outboxMigrations,
    {
      name: "1000-things",
      up: "create table things (id text primary key, version int not null); create table calls (n int)",
    },
  ]);
});
afterEach(() => stack.disposeAsync());

const eventually = { timeout: 10_000, interval: 5 };

/** A lock that is always free: two relays at a time, as when a lease was lost without notice. */
const anybody: Locks = {
  acquire: (name) =>
    Promise.resolve({
      name,
      token: 1n,
      lost: new AbortController().signal,
      release: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

/** Remembers what was published; `fail` may refuse before or after. */
class Topic {
  readonly published: KeyedEvent[] = [];
  before: () => void | Promise<void> = () => undefined;
  after: () => void = () => undefined;

  async publish(_topic: string, events: readonly KeyedEvent[]): Promise<void> {
    await this.before();
    this.published.push(...events);
    this.after();
  }

  versions(key: string): number[] {
    return this.published
      .filter((one) => one.key === key)
      .map(({ event }) => Number(event.extensions["aggregateversion"]));
  }
}

function startRelay(topic: Topic, options: Partial<OutboxRelayOptions> = {}): () => Promise<void> {
  const stop = new AbortController();
  const running = runOutboxRelay({ sql: database, pubsub: topic, locks: anybody, signal: stop.signal, ...options });
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  stack.defer(end);
  return end;
}

function eventOf(id: string, version: number): CloudEvent {
  return {
    id: `${id}-${version}`,
    source: "/test",
    type: "test.Changed",
    subject: id,
    time: 1_767_225_600_123,
    dataContentType: "application/protobuf",
    data: Uint8Array.of(0, 1, 254, 255),
    extensions: { aggregateversion: String(version), traceparent: "00-1-2-01" },
  };
}

/** One more version of a thing, with its event, in one transaction. */
async function change(transaction: Transaction<unknown>, id: string): Promise<void> {
  const { rows } = await sql<{ version: number }>`
    insert into things values (${id}, 1) on conflict (id) do update set version = things.version + 1
    returning version`.execute(transaction);
  await addToOutbox(transaction, { topic: "t", key: id, event: eventOf(id, rows[0]?.version ?? 0) });
}

describe.each(["table", "replication"] as const)("the relay `%s`", (kind) => {
  test("an event arrives as it was added, soon after the commit, and leaves the outbox", async () => {
    const topic = new Topic();
    startRelay(topic, { kind, pollMs: 60_000 });
    await database.transaction((transaction) => change(transaction, "a"));
    await expect.poll(() => topic.published, eventually).toHaveLength(1);
    const [first] = topic.published;
    expect(first).toEqual({ key: "a", event: { ...eventOf("a", 1), data: Buffer.from(eventOf("a", 1).data) } });
    await expect.poll(() => countRows(), eventually).toBe(0);
  });

  test("many events of one transaction keep their order, over several batches", async () => {
    const topic = new Topic();
    const entries = Array.from({ length: 25 }, (_, n) => ({ topic: "t", key: "a", event: eventOf("a", n) }));
    await database.transaction((transaction) => addToOutbox(transaction, entries));
    startRelay(topic, { kind, batchSize: 10, pollMs: 60_000 });
    await expect.poll(() => topic.versions("a"), eventually).toEqual(entries.map((_, n) => n));
  });

  test("nothing of a transaction that rolled back is published", async () => {
    const topic = new Topic();
    startRelay(topic, { kind });
    const failed = database.transaction(async (transaction) => {
      await change(transaction, "a");
      throw new Error("on purpose");
    });
    await expect(failed).rejects.toThrow("on purpose");
    await database.transaction((transaction) => change(transaction, "b"));
    await expect.poll(() => topic.published.map(({ key }) => key), eventually).toEqual(["b"]);
  });

  test("a transaction that stays open holds up nobody, and its own event follows", async () => {
    const topic = new Topic();
    startRelay(topic, { kind, pollMs: 60_000 });
    await database.transaction(async (transaction) => {
      await change(transaction, "slow");
      await database.transaction((other) => change(other, "quick"));
      await expect.poll(() => topic.versions("quick"), eventually).toEqual([1]);
      expect(topic.versions("slow")).toEqual([]);
    });
    await expect.poll(() => topic.versions("slow"), eventually).toEqual([1]);
  });

  test("with many writers nothing is lost or doubled, and each key's events come in the order of its versions", async () => {
    const topic = new Topic();
    startRelay(topic, { kind, batchSize: 7 });
    startRelay(topic, { kind, batchSize: 7 });
    const writer = async (seed: number): Promise<void> => {
      for (let turn = 0; turn < 15; turn += 1) {
        const id = `key-${(seed * 7 + turn * 3) % 4}`;
        await database.transaction(async (transaction) => {
          // Takes its place among transactions long before it gets the lock of the key's row.
          await sql`insert into calls values (${turn})`.execute(transaction);
          if ((seed + turn) % 5 === 0) await sql`select pg_sleep(0.005)`.execute(transaction);
          await change(transaction, id);
        });
      }
    };
    await Promise.all([0, 1, 2, 3, 4, 5, 6, 7].map(writer));
    await expect.poll(() => topic.published, eventually).toHaveLength(120);
    for (const key of ["key-0", "key-1", "key-2", "key-3"]) {
      const versions = topic.versions(key);
      expect(versions).toEqual(versions.map((_, index) => index + 1));
    }
  });

  test("a crash between publishing and deleting publishes again; a refusal is tried again; neither loses anything", async () => {
    const topic = new Topic();
    await database.transaction((transaction) => change(transaction, "a"));
    topic.after = () => {
      topic.after = () => undefined;
      throw new Error("killed");
    };
    startRelay(topic, { kind });
    await expect.poll(() => topic.versions("a"), eventually).toEqual([1, 1]);
    topic.before = () => {
      topic.before = () => undefined;
      throw new Error("refused");
    };
    await database.transaction((transaction) => change(transaction, "a"));
    await expect.poll(() => topic.versions("a"), eventually).toEqual([1, 1, 2]);
  });

  test("a former leader that is still publishing is waited for, so that its events do not come after newer ones", async () => {
    const topic = new Topic();
    const gate = Promise.withResolvers<undefined>();
    topic.before = async () => {
      topic.before = () => undefined;
      await gate.promise;
    };
    await database.transaction((transaction) => change(transaction, "a"));
    startRelay(topic, { kind });
    await expect.poll(() => topic.before, eventually).not.toBeUndefined();
    await expect.poll(async () => (await locksHeld()) > 0, eventually).toBe(true);
    await database.transaction((transaction) => change(transaction, "a"));
    startRelay(topic, { kind });
    await new Promise((wake) => setTimeout(wake, 100));
    expect(topic.published).toEqual([]);
    gate.resolve(undefined);
    await expect.poll(() => topic.versions("a"), eventually).toEqual([1, 2]);
  });
});

/** Of each event the first time. */
function firstVersions(topic: Topic, key: string): number[] {
  return [...new Set(topic.versions(key))];
}

test("a change of the relay by configuration loses nothing, and the table's leaves no log behind", async () => {
  const topic = new Topic();
  let isWriting = true;
  let written = 0;
  const writing = (async () => {
    for (; isWriting; written += 1) await database.transaction((transaction) => change(transaction, "a"));
  })();
  for (const kind of ["table", "replication", "replication", "table", "replication", "table"] as const) {
    const end = startRelay(topic, { kind, batchSize: 5 });
    const since = topic.published.length;
    // Of each leadership some batch fails after it was published.
    topic.after = () => {
      if (topic.published.length < since + 10) return;
      topic.after = () => undefined;
      throw new Error("killed");
    };
    await expect.poll(() => topic.published.length, eventually).toBeGreaterThan(since + 20);
    await end();
  }
  isWriting = false;
  await writing;
  startRelay(topic, { kind: "table" });
  await expect
    .poll(() => firstVersions(topic, "a"), eventually)
    .toEqual(Array.from({ length: written }, (_, n) => n + 1));
  await expect.poll(() => database.insertLogs.lag(insertLog.name), eventually).toBeUndefined();
});

test("while a log can't be made yet, as a transaction is open, the table is relayed", async () => {
  const topic = new Topic();
  await database.transaction(async (transaction) => {
    await change(transaction, "slow");
    startRelay(topic, { kind: "replication", pollMs: 60_000 });
    await database.transaction((other) => change(other, "quick"));
    await expect.poll(() => topic.versions("quick"), eventually).toEqual([1]);
    expect(await database.insertLogs.lag(insertLog.name)).toBeUndefined();
  });
  await expect.poll(() => topic.versions("slow"), eventually).toEqual([1]);
  await expect.poll(() => database.insertLogs.lag(insertLog.name), eventually).toBeDefined();
  await database.transaction((transaction) => change(transaction, "quick"));
  await expect.poll(() => topic.versions("quick"), eventually).toEqual([1, 2]);
});

test("what was added after a log was lost is relayed when there is a new one", async () => {
  const topic = new Topic();
  const end = startRelay(topic, { kind: "replication" });
  await database.transaction((transaction) => change(transaction, "a"));
  await expect.poll(() => topic.versions("a"), eventually).toEqual([1]);
  await expect.poll(() => database.insertLogs.lag(insertLog.name), eventually).toBeDefined();
  await end();
  await expect.poll(() => database.insertLogs.drop(insertLog.name).catch(() => false), eventually).toBe(true);
  await database.transaction((transaction) => change(transaction, "a"));
  startRelay(topic, { kind: "replication" });
  await expect.poll(() => topic.versions("a"), eventually).toEqual([1, 2]);
  await expect.poll(() => database.insertLogs.lag(insertLog.name), eventually).toBeDefined();
  await database.transaction((transaction) => change(transaction, "a"));
  await expect.poll(() => topic.versions("a"), eventually).toEqual([1, 2, 3]);
});

test("a log that is far behind is warned of, and a database that can't keep one ends the relay", async () => {
  const warned: object[] = [];
  const log: Log = { ...silentLog, warn: (fields: object) => void warned.push(fields) };
  const retained: number[] = [];
  const onRetained = (bytes: number): void => void retained.push(bytes);
  startRelay(new Topic(), { kind: "replication", maxRetainedBytes: -1, onRetained, log });
  await expect.poll(() => warned, eventually).toMatchObject([{ retainedBytes: expect.any(Number) }]);
  expect(retained).toHaveLength(1);

  const refusal = new WeftError("FAILED_PRECONDITION", "wal_level");
  const insertLogs = { ...database.insertLogs, prepare: () => Promise.reject(refusal) };
  const signal = new AbortController().signal;
  const sqlWithout = { ...database, insertLogs };
  const relay = runOutboxRelay({ sql: sqlWithout, pubsub: new Topic(), locks: anybody, kind: "replication", signal });
  await expect(relay).rejects.toBe(refusal);
});

test("an event whose commit is in the server's log before it can be seen is published once it can", async () => {
  const topic = new Topic();
  startRelay(topic, { kind: "replication" });
  await database.transaction((transaction) => change(transaction, "before"));
  await expect.poll(() => database.insertLogs.lag(insertLog.name), eventually).toBeDefined();
  let committed = 0;
  const release = await holdCommits(postgres.url, () => {
    committed += 1;
    return database.transaction((transaction) => change(transaction, `key-${committed}`));
  });
  // Long enough for the relay to be told of it.
  await new Promise((wake) => setTimeout(wake, 500));
  expect(topic.versions(`key-${committed}`)).toEqual([]);
  await release();
  await expect.poll(() => topic.versions(`key-${committed}`), eventually).toEqual([1]);
  await expect.poll(() => countRows(), eventually).toBe(0);
});

async function countRows(): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(*)::int as n from weft_outbox`.execute(database.kysely);
  return rows[0]?.n ?? 0;
}

async function locksHeld(): Promise<number> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_locks where locktype = 'advisory'
    and database = (select oid from pg_database where datname = current_database())`.execute(database.kysely);
  return rows[0]?.n ?? 0;
}
