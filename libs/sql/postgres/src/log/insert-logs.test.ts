import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Secret } from "@weft/kit";
import { within } from "@weft/kit/testing";
import type { SqlDatabase } from "@weft/sql";
import { openPostgres } from "../postgres.ts";
import { holdCommits, runStatement, startTestPostgres, type TestPostgres } from "../testing.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

const log = { name: "logged", table: "logged", column: "n" };
const limit = (): AbortSignal => AbortSignal.timeout(20_000);
const nothing = (): Promise<void> => Promise.resolve();

async function openDatabase(url: Secret): Promise<SqlDatabase<unknown>> {
  const database = await openPostgres<unknown>({ url });
  await sql`create table if not exists logged (n int primary key)`.execute(database.kysely);
  return database;
}

/** As another user, on a database of its own. */
async function openAs(user: string, rights: string): Promise<SqlDatabase<unknown>> {
  const url = await postgres.freshDatabase();
  await runStatement(url, `create role ${user} login password 'secret' ${rights}`);
  await runStatement(url, `grant create on schema public to ${user}`);
  const other = new URL(url.reveal());
  [other.username, other.password] = [user, "secret"];
  return openDatabase(new Secret(other.href));
}

async function change(setting: string, value: string): Promise<void> {
  await runStatement(postgres.url, `alter system set ${setting} = ${value}`);
  await runStatement(postgres.url, "select pg_reload_conf()");
}

test("a user without REPLICATION is told what to do", async () => {
  await using database = await openAs("plain", "");
  const refused = { reason: "FAILED_PRECONDITION", message: expect.stringContaining("REPLICATION") };
  await expect(database.insertLogs.prepare(log)).rejects.toMatchObject(refused);
});

test("a user that may not make a publication is told what to do", async () => {
  await using database = await openAs("replicating", "replication");
  const refused = { reason: "FAILED_PRECONDITION", message: expect.stringContaining("CREATE on the database") };
  await expect(database.insertLogs.prepare(log)).rejects.toMatchObject(refused);
  await expect(database.insertLogs.make(log, nothing, limit())).rejects.toMatchObject(refused);
});

test.each([
  ["wal_level", "'replica'", "wal_level is replica: set wal_level = logical"],
  ["server_version_num", "'140012'", "PostgreSQL 14, and it takes 15 or newer"],
])("a server with another %s is refused, with what to do", async (setting, value, message) => {
  const url = await postgres.freshDatabase();
  // Its own function goes before the system's, as those settings can't be changed here.
  await runStatement(
    url,
    `create function public.current_setting(name text) returns text language sql
     return case when name = '${setting}' then ${value} else pg_catalog.current_setting(name) end`,
  );
  await runStatement(
    url,
    `alter database ${new URL(url.reveal()).pathname.slice(1)} set search_path = public, pg_catalog`,
  );
  await using database = await openDatabase(url);
  const refused = { reason: "FAILED_PRECONDITION", message: expect.stringContaining(message) };
  await expect(database.insertLogs.prepare(log)).rejects.toMatchObject(refused);
});

test("what is in the log and can't be seen yet is waited for", async () => {
  await using database = await openDatabase(await postgres.freshDatabase({ logsAtOnce: true }));
  await database.insertLogs.make(log, nothing, limit());
  {
    await using reader = await database.insertLogs.open(log);
    let last = 0;
    const release = await holdCommits(postgres.url, () => {
      last += 1;
      return sql`insert into logged values (${last})`.execute(database.kysely);
    });
    const count = async (): Promise<number> =>
      (await sql`select from logged where n = ${last}`.execute(database.kysely)).rows.length;
    while (!(await reader.read(1, limit())).values.includes(String(last)));
    let isSettled = false;
    const settled = reader.settled().then(() => (isSettled = true));
    expect(await count()).toBe(0);
    expect(isSettled).toBe(false);
    await release();
    await settled;
    expect(await count()).toBe(1);
  }
  await within(20_000, "the end of the log", () =>
    database.insertLogs.drop(log.name).then(
      () => true,
      () => false,
    ),
  );
});

test("a log that the server gave up is NOT_FOUND, and is made anew in its place", { timeout: 60_000 }, async () => {
  await using database = await openDatabase(await postgres.freshDatabase());
  await database.insertLogs.make(log, nothing, limit());
  await sql`insert into logged values (1)`.execute(database.kysely);
  const before = await database.insertLogs.lag(log.name);
  expect(before?.leftBytes).toBeGreaterThan(0);
  // The quickest of the ways in which a server gives up a slot.
  await change("idle_replication_slot_timeout", "1");
  const isLost = async (): Promise<boolean> => {
    await runStatement(postgres.url, "checkpoint");
    const { rows } = await sql<{ status: string }>`
      select wal_status as status from pg_replication_slots where database = current_database()`.execute(
      database.kysely,
    );
    return rows[0]?.status === "lost";
  };
  await within(40_000, "the log is given up", isLost);
  await change("idle_replication_slot_timeout", "0");
  await expect(database.insertLogs.open(log)).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await database.insertLogs.make(log, nothing, limit());
  await sql`insert into logged values (2)`.execute(database.kysely);
  {
    await using reader = await database.insertLogs.open(log);
    expect(await reader.read(10, limit())).toMatchObject({ values: ["2"] });
  }
  await within(20_000, "the end of the log", () => database.insertLogs.drop(log.name).catch(() => false));
});

test("what others write is let go while nothing of the log waits", { timeout: 60_000 }, async () => {
  await using database = await openDatabase(await postgres.freshDatabase());
  await database.insertLogs.make(log, nothing, limit());
  {
    await using _reader = await database.insertLogs.open(log);
    await runStatement(postgres.url, "select pg_logical_emit_message(false, 'fill', repeat('x', 8000000))");
    const isNear = async (): Promise<boolean> => {
      const { rows } = await sql<{ behind: string }>`
        select pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn) as behind from pg_replication_slots
        where database = current_database()`.execute(database.kysely);
      return Number(rows[0]?.behind) < 1_000_000;
    };
    await within(40_000, "the confirmed position moves", isNear);
  }
  await within(20_000, "the end of the log", () => database.insertLogs.drop(log.name).catch(() => false));
});

test("a log whose publication was dropped is NOT_FOUND", { timeout: 60_000 }, async () => {
  await using database = await openDatabase(await postgres.freshDatabase());
  await database.insertLogs.make(log, nothing, limit());
  await sql`drop publication logged`.execute(database.kysely);
  await expect(database.insertLogs.open(log)).rejects.toMatchObject({ reason: "NOT_FOUND" });
  expect(await database.insertLogs.drop(log.name)).toBe(true);
});
