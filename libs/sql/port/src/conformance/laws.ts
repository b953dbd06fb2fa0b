import { sql } from "kysely";
import { expect } from "vitest";
import { isWeftError } from "@weft/kit";
import { type Law, within } from "@weft/kit/testing";
import type { SqlDatabase } from "../sql.ts";
import type { SqlFixture } from "./fixture.ts";
import { insertLogLaws } from "./insert-log-laws.ts";

type Database = SqlDatabase<unknown>;

async function withTable(fixture: SqlFixture): Promise<Database> {
  const database = await fixture.open();
  await sql`create table t (n int constraint t_n_key unique, who text)`.execute(database.kysely);
  return database;
}

async function numbers(database: Database): Promise<number[]> {
  const { rows } = await sql<{ n: number }>`select n from t order by n`.execute(database.kysely);
  return rows.map(({ n }) => n);
}

/** The reason of the rejection; fails when there was none. */
async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => expect.unreachable("it should have been rejected"),
    (rejected: unknown) => rejected,
  );
  return isWeftError(error) ? error.reason : `not a WeftError: ${String(error)}`;
}

/** Waits for a count of notifications; fails when it is not reached, or passed. */
async function heardExactly(count: number, heard: () => number): Promise<void> {
  await within(2000, `${count} notifications`, () => heard() >= count);
  expect(heard()).toBe(count);
}

const transactions: Law<SqlFixture>[] = [
  {
    title: "Q1 a transaction whose function rejects leaves nothing behind, and rejects with that error",
    run: async (fixture) => {
      const database = await withTable(fixture);
      const failure = new Error("on purpose");
      const work = database.transaction(async (transaction) => {
        await sql`insert into t values (1)`.execute(transaction);
        throw failure;
      });
      await expect(work).rejects.toBe(failure);
      expect(await numbers(database)).toEqual([]);
    },
  },
  {
    title: "Q1 a transaction that resolved is seen by others and its result is the function's",
    run: async (fixture) => {
      const database = await withTable(fixture);
      const other = await fixture.open();
      const result = await database.transaction(async (transaction) => {
        await sql`insert into t values (1)`.execute(transaction);
        expect(await numbers(other)).toEqual([]);
        return "done";
      });
      expect(result).toBe("done");
      expect(await numbers(other)).toEqual([1]);
    },
  },
  {
    title: "Q1 a transaction that swallowed a failed statement rejects: it is not durable",
    run: async (fixture) => {
      const database = await withTable(fixture);
      const work = database.transaction(async (transaction) => {
        await sql`insert into t values (1)`.execute(transaction);
        await sql`select 1 / 0`.execute(transaction).catch(() => undefined);
      });
      expect(await reasonOf(work)).toBe("INTERNAL");
      expect(await numbers(database)).toEqual([]);
    },
  },
];

const migrations: Law<SqlFixture>[] = [
  {
    title: "Q2 each migration runs once, in order of name, however many start together",
    run: async (fixture) => {
      const handles = await Promise.all([fixture.open(), fixture.open(), fixture.open()]);
      const steps = [
        { name: "0002-row", up: "insert into steps values ('second')" },
        { name: "0001-table", up: "create table steps (name text); select pg_sleep(0.05)" },
      ];
      await Promise.all(handles.map((database) => database.migrate(steps)));
      await handles[0].migrate([...steps, { name: "0003-row", up: "insert into steps values ('third')" }]);
      const { rows } = await sql`select name from steps`.execute(handles[0].kysely);
      expect(rows).toEqual([{ name: "second" }, { name: "third" }]);
    },
  },
  {
    title: "Q2 a changed or vanished migration that ran already is refused",
    run: async (fixture) => {
      const database = await fixture.open();
      const step = { name: "0001-table", up: "create table a (n int)" };
      const next = { name: "0002-table", up: "create table c (n int)" };
      await database.migrate([step]);
      expect(await reasonOf(database.migrate([{ ...step, up: "create table b (n int)" }]))).toBe("FAILED_PRECONDITION");
      expect(await reasonOf(database.migrate([next]))).toBe("FAILED_PRECONDITION");
      await database.migrate([step]);
    },
  },
  {
    title: "Q2 an older process starts on a database that a newer one has migrated further",
    run: async (fixture) => {
      const [older, newer] = [await fixture.open(), await fixture.open()];
      const step = { name: "0001-table", up: "create table a (n int)" };
      await newer.migrate([step, { name: "0002-column", up: "alter table a add column m int" }]);
      await older.migrate([step]);
    },
  },
  {
    title: "Q2 a migration that fails leaves nothing of itself behind and runs again",
    run: async (fixture) => {
      const database = await fixture.open();
      const bad = { name: "0001-table", up: "create table a (n int); select nonsense" };
      expect(await reasonOf(database.migrate([bad]))).toBe("INTERNAL");
      await database.migrate([{ ...bad, up: "create table a (n int)" }]);
    },
  },
];

const limits: Law<SqlFixture>[] = [
  {
    title: "Q3 a query that gets no connection in time ends in RESOURCE_EXHAUSTED, and the next one works",
    run: async (fixture) => {
      const database = await fixture.open({ poolSize: 1, acquireTimeoutMs: 1000 });
      await database.transaction(async () => {
        expect(await reasonOf(sql`select 1`.execute(database.kysely))).toBe("RESOURCE_EXHAUSTED");
      });
      await sql`select 1`.execute(database.kysely);
    },
  },
  {
    title: "Q4 a statement over its limit ends in DEADLINE_EXCEEDED, in and outside a transaction",
    run: async (fixture) => {
      const database = await fixture.open({ poolSize: 1, statementTimeoutMs: 100 });
      expect(await reasonOf(sql`select pg_sleep(10)`.execute(database.kysely))).toBe("DEADLINE_EXCEEDED");
      const work = database.transaction((transaction) => sql`select pg_sleep(10)`.execute(transaction));
      expect(await reasonOf(work)).toBe("DEADLINE_EXCEEDED");
      await sql`select 1`.execute(database.kysely);
    },
  },
  {
    title: "Q4 a lost server is UNAVAILABLE, in and outside a transaction; the pool recovers by itself",
    run: async (fixture) => {
      const database = await withTable(fixture);
      let restore: () => Promise<void> = () => Promise.resolve();
      const work = database.transaction(async (transaction) => {
        await sql`insert into t values (1)`.execute(transaction);
        restore = await fixture.cut();
        await sql`insert into t values (2)`.execute(transaction);
      });
      expect(await reasonOf(work)).toBe("UNAVAILABLE");
      expect(await reasonOf(sql`select 1`.execute(database.kysely))).toBe("UNAVAILABLE");
      await restore();
      expect(await numbers(database)).toEqual([]);
    },
  },
];

const conflicts: Law<SqlFixture>[] = [
  {
    title: "Q5 a unique violation is ALREADY_EXISTS with the constraint's name and without the values",
    run: async (fixture) => {
      const database = await withTable(fixture);
      await sql`insert into t values (4711)`.execute(database.kysely);
      const again = sql`insert into t values (4711)`.execute(database.kysely);
      await expect(again).rejects.toMatchObject({
        reason: "ALREADY_EXISTS",
        metadata: { constraint: "t_n_key" },
      });
      const error: unknown = await again.catch((rejected: unknown) => rejected);
      const cause = error instanceof Error ? error.cause : undefined;
      expect(`${String(error)} ${JSON.stringify(error)} ${String(cause)} ${JSON.stringify(cause)}`).not.toContain(
        "4711",
      );
    },
  },
  {
    title: "Q5 a serialization failure is tried again, and is CONFLICT when it outlives its attempts",
    run: async (fixture) => {
      const database = await withTable(fixture);
      await sql`insert into t values (0)`.execute(database.kysely);
      /** Reads, lets another one write, then writes: fails `failures` times. */
      const collide = async (attempts: number, failures: number): Promise<number> => {
        let runs = 0;
        await database.transaction(
          async (transaction) => {
            runs += 1;
            await sql`select n from t`.execute(transaction);
            if (runs <= failures) await sql`update t set who = 'other'`.execute(database.kysely);
            await sql`update t set who = 'mine'`.execute(transaction);
          },
          { isolation: "repeatable read", attempts },
        );
        return runs;
      };
      expect(await collide(3, 2)).toBe(3);
      expect(await reasonOf(collide(2, 2))).toBe("CONFLICT");
    },
  },
  {
    title: "Q5 a value that can't be stored is INVALID_ARGUMENT",
    run: async (fixture) => {
      const database = await withTable(fixture);
      expect(await reasonOf(sql`insert into t values (1, ${"a\0b"})`.execute(database.kysely))).toBe(
        "INVALID_ARGUMENT",
      );
    },
  },
];

const notifications: Law<SqlFixture>[] = [
  {
    title: "Q6 a notification reaches every listener after the commit, and none if it rolled back",
    run: async (fixture) => {
      const database = await fixture.open();
      const other = await fixture.open();
      const heard = { here: 0, there: 0, elsewhere: 0 };
      await database.listen("news", () => (heard.here += 1));
      await other.listen("news", () => (heard.there += 1));
      await other.listen("other", () => (heard.elsewhere += 1));
      const rolledBack = database.transaction(async (transaction) => {
        await sql`notify news`.execute(transaction);
        throw new Error("on purpose");
      });
      await rolledBack.catch(() => undefined);
      await database.transaction(async (transaction) => {
        await sql`notify news`.execute(transaction);
        await sql`select pg_sleep(0.05)`.execute(transaction);
        expect(heard).toEqual({ here: 0, there: 0, elsewhere: 0 });
      });
      await heardExactly(1, () => heard.here);
      await heardExactly(1, () => heard.there);
      expect(heard.elsewhere).toBe(0);
    },
  },
  {
    title: "Q6 a disposed listener hears nothing more; others of its channel do",
    run: async (fixture) => {
      const database = await fixture.open();
      const heard = { gone: 0, still: 0 };
      const gone = await database.listen("news", () => (heard.gone += 1));
      await database.listen("news", () => (heard.still += 1));
      await gone[Symbol.asyncDispose]();
      await sql`notify news`.execute(database.kysely);
      await heardExactly(1, () => heard.still);
      expect(heard.gone).toBe(0);
    },
  },
  {
    title: "Q4 who listens while the server is away hears so in time, and can listen when it is back",
    run: async (fixture) => {
      const database = await fixture.open({ acquireTimeoutMs: 1000 });
      let heard = 0;
      await database.listen("news", () => undefined);
      const restore = await fixture.cut();
      for (let call = 0; call < 2; call += 1) {
        expect(await reasonOf(database.listen("other", () => (heard += 1)))).toBe("UNAVAILABLE");
      }
      await restore();
      const listening = (): Promise<boolean> =>
        database
          .listen("other", () => (heard += 1))
          .then(
            () => true,
            () => false,
          );
      await within(10_000, "listening again", listening);
      await sql`notify other`.execute(database.kysely);
      await within(5000, "a notification", () => heard > 0);
    },
  },
  {
    title: "Q6 a listener that lost its connection is called once when it is back, and then hears again",
    run: async (fixture) => {
      const database = await fixture.open();
      let heard = 0;
      await database.listen("news", () => (heard += 1));
      const restore = await fixture.cut();
      await restore();
      await heardExactly(1, () => heard);
      await sql`notify news`.execute(database.kysely);
      await heardExactly(2, () => heard);
    },
  },
];

/** The laws of {@link SqlDatabase}, each to be run on a fixture of its own. */
export const sqlLaws: readonly Law<SqlFixture>[] = [
  ...transactions,
  ...migrations,
  ...limits,
  ...conflicts,
  ...notifications,
  ...insertLogLaws,
];
