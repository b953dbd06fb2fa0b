import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Secret } from "@weft/kit";
import { startProcess, type TestProcess, within } from "@weft/kit/testing";
import type { Migration } from "@weft/sql";
import { openPostgres } from "./postgres.ts";
import { startTestPostgres, type TestPostgres } from "./testing.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

// Each leaves a row, and takes long enough to be killed in.
const migrations: readonly Migration[] = [
  { name: "0001-table", up: "create table steps (n int); insert into steps values (1)" },
  { name: "0002-slow", up: "insert into steps values (2); select pg_sleep(0.3)" },
  { name: "0003-slow", up: "insert into steps values (3); select pg_sleep(0.3)" },
  { name: "0004-last", up: "insert into steps values (4)" },
];

/** A process that begins to migrate as soon as it is there. */
function migrator(url: Secret): Promise<TestProcess> {
  return startProcess(`
    import { openPostgres } from ${JSON.stringify(new URL("postgres.ts", import.meta.url).href)};
    import { Secret } from ${JSON.stringify(import.meta.resolve("@weft/kit"))};
    const database = await openPostgres({ url: new Secret(${JSON.stringify(url.reveal())}) });
    void database.migrate(${JSON.stringify(migrations)});`);
}

test("many processes migrate once, though whoever is at it gets killed", { timeout: 60_000 }, async () => {
  const url = await postgres.freshDatabase();
  await using database = await openPostgres<unknown>({ url });
  const done = async (): Promise<string[]> => {
    const { rows } = await sql<{ name: string }>`select name from weft_migrations order by name`.execute(
      database.kysely,
    );
    return rows.map(({ name }) => name);
  };
  await using stack = new AsyncDisposableStack();
  const start = async (): Promise<TestProcess> => stack.use(await migrator(url));
  const first = await start();
  await within(10_000, "the first step", () =>
    done().then(
      (names) => names.length > 0,
      () => false,
    ),
  );
  // In the middle of the second, which must leave nothing; then all but the last of four that wait for each other.
  await first.kill();
  const others = await Promise.all([start(), start(), start(), start()]);
  for (const other of others.slice(0, 3)) await other.kill();
  await within(20_000, "the last step", async () => (await done()).length === migrations.length);
  const { rows } = await sql`select n from steps order by n`.execute(database.kysely);
  expect(rows).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
  expect(await done()).toEqual(migrations.map(({ name }) => name));
});
