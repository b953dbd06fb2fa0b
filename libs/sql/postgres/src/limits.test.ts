import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Secret, WeftError } from "@weft/kit";
import { unlessAborted } from "@weft/sql";
import { openPostgres } from "./postgres.ts";
import { startTestPostgres, type TestPostgres } from "./testing.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

test("limits of the URL and their defaults reach the server", async () => {
  const shown = async (query: string): Promise<unknown> => {
    const url = new Secret(`${postgres.url.reveal()}${query}`);
    await using database = await openPostgres<unknown>({ url, statementTimeoutMs: 4000 });
    const { rows } = await sql`
      select current_setting('statement_timeout') as statement, current_setting('lock_timeout') as lock,
        current_setting('application_name') as name`.execute(database.kysely);
    return rows[0];
  };
  expect(await shown("")).toEqual({ statement: "4s", lock: "2s", name: "weft" });
  const all = "&statementTimeoutMs=3000&lockTimeoutMs=250&application_name=tool";
  expect(await shown(all)).toEqual({ statement: "3s", lock: "250ms", name: "tool" });
});

test("who waits too long for a lock is told that another transaction has it", async () => {
  await using database = await openPostgres<unknown>({ url: postgres.url, lockTimeoutMs: 100 });
  await sql`create table t (n int)`.execute(database.kysely);
  await sql`insert into t values (1)`.execute(database.kysely);
  await database.transaction(async (transaction) => {
    await sql`update t set n = 2`.execute(transaction);
    await expect(sql`update t set n = 3`.execute(database.kysely)).rejects.toMatchObject({ reason: "CONFLICT" });
  });
});

test("who left while he waited for a connection has nothing read for him, and the connection is free", async () => {
  await using database = await openPostgres<unknown>({ url: postgres.url, poolSize: 1 });
  const late = new WeftError("DEADLINE_EXCEEDED", "the deadline passed");
  const [leaving, staying] = [new AbortController(), new AbortController()];
  const read: string[] = [];
  const readAs = (name: string, signal?: AbortSignal) =>
    unlessAborted(database, signal, async (connection) => {
      read.push(name);
      return (await sql<{ n: number }>`select 7 as n`.execute(connection)).rows[0]?.n;
    });
  const held = Promise.withResolvers<undefined>();
  const holding = database.transaction(() => held.promise);
  const left = expect(readAs("left", leaving.signal)).rejects.toBe(late);
  const stayed = [readAs("stayed", staying.signal), readAs("endless")];
  leaving.abort(late);
  held.resolve(undefined);
  await left;
  expect(await Promise.all(stayed)).toEqual([7, 7]);
  await holding;
  expect(read.toSorted()).toEqual(["endless", "stayed"]);
  await expect(readAs("left", leaving.signal)).rejects.toBe(late);
});

test("a server without a free connection is RESOURCE_EXHAUSTED", async () => {
  await using database = await openPostgres<unknown>({ url: postgres.url, poolSize: 120 });
  const asked = Array.from({ length: 110 }, () => sql`select pg_sleep(0.5)`.execute(database.kysely));
  const refused = (await Promise.allSettled(asked)).filter(({ status }) => status === "rejected");
  expect(refused.length).toBeGreaterThan(0);
  expect(refused).toEqual(
    refused.map(() => expect.objectContaining({ reason: expect.objectContaining({ reason: "RESOURCE_EXHAUSTED" }) })),
  );
});
