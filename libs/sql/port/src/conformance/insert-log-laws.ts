import { sql } from "kysely";
import { expect } from "vitest";
import { isWeftError, WeftError } from "@weft/kit";
import { type Law, within } from "@weft/kit/testing";
import type { InsertLogReader } from "../insert-log.ts";
import type { SqlDatabase } from "../sql.ts";
import type { SqlFixture } from "./fixture.ts";

type Database = SqlDatabase<unknown>;

const log = { name: "logged", table: "logged", column: "n" };
const longMs = 20_000;

/** On a database with the table; the server keeps no log behind it. */
function onLog(run: (database: Database, fixture: SqlFixture) => Promise<void>): Law<SqlFixture>["run"] {
  return async (fixture) => {
    const database = await fixture.open();
    await sql`create table logged (n int primary key, who text)`.execute(database.kysely);
    try {
      await run(database, fixture);
    } finally {
      // Its last reader may need a moment to be gone.
      const dropped = (): Promise<boolean> =>
        database.insertLogs.drop(log.name).then(
          () => true,
          () => false,
        );
      await within(longMs, "the end of the log", dropped);
    }
  };
}

async function insert(database: Database, ...numbers: readonly number[]): Promise<void> {
  await database.transaction((transaction) =>
    sql`insert into logged select unnest(${[...numbers]}::int[]), 'someone'`.execute(transaction),
  );
}

function make(database: Database, onBegun: () => Promise<void> = () => Promise.resolve()): Promise<void> {
  return database.insertLogs.make(log, onBegun, AbortSignal.timeout(longMs));
}

/** A reader of the log; the last one may need a moment to be gone. */
async function open(database: Database): Promise<InsertLogReader> {
  let reader: InsertLogReader | undefined;
  await within(longMs, "the log", async () => {
    reader = await database.insertLogs.open(log).catch((error: unknown) => {
      if (isWeftError(error) && error.reason === "UNAVAILABLE") return undefined;
      throw error;
    });
    return reader !== undefined;
  });
  return reader ?? expect.unreachable();
}

interface Read {
  readonly values: readonly number[];
  readonly position: bigint;
}

/** Reads `count` rows, and to the end of the last one's transaction. */
async function read(reader: InsertLogReader, count: number, limit = 100): Promise<Read> {
  const values: number[] = [];
  let position: bigint | undefined;
  while (values.length < count || position === undefined) {
    const next = await reader.read(limit, AbortSignal.timeout(longMs));
    expect(next.values.length).toBeLessThanOrEqual(limit);
    values.push(...next.values.map(Number));
    position = next.position;
  }
  return { values, position };
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => expect.unreachable("it should have been rejected"),
    (rejected: unknown) => rejected,
  );
  return isWeftError(error) ? error.reason : `not a WeftError: ${String(error)}`;
}

/** The laws of `InsertLogs`. */
export const insertLogLaws: readonly Law<SqlFixture>[] = [
  {
    title: "Q7 what commits is read in the order of the commits, and nothing of what rolled back",
    run: onLog(async (database) => {
      await insert(database, 1);
      await make(database);
      await using reader = await open(database);
      await database.transaction(async (late) => {
        await sql`insert into logged values (2)`.execute(late);
        await insert(database, 4, 3);
        const failed = database.transaction(async (lost) => {
          await sql`insert into logged values (5)`.execute(lost);
          throw new Error("on purpose");
        });
        await failed.catch(() => undefined);
        await sql`update logged set who = 'nobody' where n = 4`.execute(database.kysely);
        await sql`delete from logged where n = 4`.execute(database.kysely);
        await insert(database, 6);
      });
      expect((await read(reader, 4)).values).toEqual([4, 3, 6, 2]);
    }),
  },
  {
    title: "Q7 a transaction of many rows comes in parts, of which the last one alone has a position",
    run: onLog(async (database) => {
      await make(database);
      await using reader = await open(database);
      const numbers = Array.from({ length: 50_000 }, (_, n) => n);
      await insert(database, ...numbers);
      await insert(database, 50_000);
      const values: number[] = [];
      while (values.length < 50_000) {
        const next = await reader.read(7000, AbortSignal.timeout(longMs));
        values.push(...next.values.map(Number));
        expect(next.position === undefined).toBe(values.length < 50_000);
      }
      expect(values.slice(0, 50_000)).toEqual(numbers);
    }),
  },
  {
    title: "Q7 whatever commits while a log is made is there for its maker, or comes",
    run: onLog(async (database) => {
      const numbers = async (): Promise<number[]> => {
        const { rows } = await sql<{ n: number }>`select n from logged`.execute(database.kysely);
        return rows.map(({ n }) => n);
      };
      await insert(database, 1);
      const found: number[] = [];
      const onBegun = async (): Promise<void> => {
        await insert(database, 4);
        found.push(...(await numbers()));
        await insert(database, 5);
      };
      const making = await database.transaction(async (late) => {
        await sql`insert into logged values (2)`.execute(late);
        const begun = make(database, onBegun);
        await insert(database, 3);
        return { begun };
      });
      await making.begun;
      await using reader = await open(database);
      await insert(database, 6);
      while (!found.includes(6)) found.push(...(await read(reader, 1)).values);
      expect([...new Set(found)].toSorted()).toEqual([1, 2, 3, 4, 5, 6]);
    }),
  },
  {
    title: "Q7 a log whose maker fails half-way is not there",
    run: onLog(async (database) => {
      const failure = new WeftError("UNAVAILABLE", "killed");
      await expect(make(database, () => Promise.reject(failure))).rejects.toBe(failure);
      expect(await reasonOf(database.insertLogs.open(log))).toBe("NOT_FOUND");
    }),
  },
  {
    title: "Q8 what was not confirmed comes again to the next reader, and what was does not",
    run: onLog(async (database) => {
      await make(database);
      {
        await using reader = await open(database);
        await insert(database, 1);
        reader.confirm((await read(reader, 1)).position);
        await insert(database, 2);
        await read(reader, 1);
      }
      await using next = await open(database);
      await insert(database, 3);
      expect((await read(next, 2)).values).toEqual([2, 3]);
    }),
  },
  {
    title: "Q8 a second reader is UNAVAILABLE, and can read when the first one is gone",
    run: onLog(async (database) => {
      await make(database);
      {
        await using _reader = await open(database);
        expect(await reasonOf(database.insertLogs.open(log))).toBe("UNAVAILABLE");
        expect(await reasonOf(database.insertLogs.drop(log.name))).toBe("UNAVAILABLE");
      }
      await insert(database, 1);
      await using next = await open(database);
      expect((await read(next, 1)).values).toEqual([1]);
    }),
  },
  {
    title: "Q8 a reader that lost its connection is told, and what it had not confirmed comes again",
    run: onLog(async (database, fixture) => {
      await make(database);
      await using reader = await open(database);
      await insert(database, 1);
      await read(reader, 1);
      const waiting = reasonOf(reader.read(1, AbortSignal.timeout(longMs)));
      const restore = await fixture.cut();
      expect(await waiting).toBe("UNAVAILABLE");
      await restore();
      await using next = await open(database);
      expect((await read(next, 1)).values).toEqual([1]);
    }),
  },
  {
    title: "Q9 a log that is not there is NOT_FOUND, has no lag, and is not there to be dropped",
    run: onLog(async (database) => {
      await database.insertLogs.prepare(log);
      expect(await reasonOf(database.insertLogs.open(log))).toBe("NOT_FOUND");
      expect(await database.insertLogs.lag(log.name)).toBeUndefined();
      await make(database);
      expect((await database.insertLogs.lag(log.name))?.retainedBytes).toBeGreaterThanOrEqual(0);
      expect(await database.insertLogs.drop(log.name)).toBe(true);
      expect(await database.insertLogs.drop(log.name)).toBe(false);
      expect(await reasonOf(database.insertLogs.open(log))).toBe("NOT_FOUND");
    }),
  },
  {
    title: "Q9 the end of a wait for something to read is CANCELLED",
    run: onLog(async (database) => {
      await make(database);
      await using reader = await open(database);
      const stop = new AbortController();
      const waiting = reasonOf(reader.read(1, stop.signal));
      stop.abort();
      expect(await waiting).toBe("CANCELLED");
    }),
  },
];
