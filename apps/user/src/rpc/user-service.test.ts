import { UserService } from "@weft/contracts/user";
import { within } from "@weft/kit/testing";
import { createClient, openServer, openTransport } from "@weft/rpc";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import { sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Schema } from "../store/schema.ts";
import { testContext } from "../testing.ts";
import { userService } from "./user-service.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

test("nothing is read for callers who left while there was no connection", { timeout: 20_000 }, async () => {
  await using stack = new AsyncDisposableStack();
  const url = await postgres.freshDatabase();
  const database = stack.use(await openPostgres<Schema>({ url, poolSize: 1, applicationName: "tested" }));
  const services = [userService(await testContext(database))];
  const tokens = { verify: () => ({ subject: "ada", roles: ["admin"] }) };
  const server = stack.use(await openServer({ host: "127.0.0.1", port: 0, services, tokens }));
  const users = createClient(UserService, stack.use(openTransport({ address: server.address })));

  const held = Promise.withResolvers<undefined>();
  const holding = database.transaction(() => held.promise);
  const leaving = new AbortController();
  const options = { authorization: "Bearer a.b.c", signal: leaving.signal };
  const calls = Promise.allSettled([
    users.getUser({ id: "a" }, options),
    users.batchGetUsers({ ids: ["a"] }, options),
    users.listUsers({}, options),
  ]);
  await within(10_000, "the calls wait", () => server.stats.inFlight === 3);
  // Answered after the handlers of those before it have begun.
  const { authorization } = options;
  await expect(users.getUser({ id: "" }, { authorization })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  leaving.abort();
  expect((await calls).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  await within(10_000, "the server knows", () => server.stats.inFlight === 0);
  held.resolve(undefined);
  await holding;
  // Connections are given in the order in which they were asked for.
  await database.kysely.connection().execute(async () => undefined);
  await using other = await openPostgres<unknown>({ url });
  const { rows } = await sql`select query from pg_stat_activity where application_name = 'tested'`.execute(
    other.kysely,
  );
  expect(rows).toEqual([{ query: "commit" }]);
});
