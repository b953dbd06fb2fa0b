import { afterAll, beforeAll, expect, test } from "vitest";
import { Secret, silentLog } from "@weft/kit";
import { sql } from "kysely";
import { ensureDatabase, openPostgres } from "./index.ts";
import { startTestPostgres, type TestPostgres } from "./testing.ts";

let server: TestPostgres;
let given: Secret;
beforeAll(async () => {
  server = await startTestPostgres();
  given = await server.freshDatabase();
});
afterAll(() => server[Symbol.asyncDispose]());

const named = (name: string): Secret => new Secret(given.reveal().replace(/\/test_\d+/, `/${name}`));

test("a database that is not there is made once, by however many; one that is there stays", async () => {
  const url = named("weft%22made");
  await Promise.all([ensureDatabase(url), ensureDatabase(url), ensureDatabase(url)]);
  await ensureDatabase(url);
  await using database = await openPostgres({ url, log: silentLog });
  const { rows } = await sql<{ name: string }>`select current_database() as name`.execute(database.kysely);
  expect(rows).toEqual([{ name: 'weft"made' }]);
});

test("who may not make one is told", async () => {
  await using database = await openPostgres({ url: given, log: silentLog });
  await sql`create role guest login password 'guest'`.execute(database.kysely);
  const url = new URL(named("weft_missing").reveal());
  url.username = "guest";
  url.password = "guest";
  await expect(ensureDatabase(new Secret(url.href))).rejects.toMatchObject({
    reason: "INVALID_CONFIGURATION",
    message: "the server has no database weft_missing, and the user of the URL may not make it",
  });
});

test("a server that is away is UNAVAILABLE, and the password stands in no message", async () => {
  const url = new Secret("postgres://me:hunter2@127.0.0.1:1/x");
  const error: unknown = await ensureDatabase(url).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ reason: "UNAVAILABLE" });
  expect(String(error)).not.toContain("hunter2");
});
