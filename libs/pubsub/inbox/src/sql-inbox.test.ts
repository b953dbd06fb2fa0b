import { describeMutants, type Mutant, within } from "@weft/kit/testing";
import type { SqlDatabase } from "@weft/sql";
import { openPostgres } from "@weft/sql-postgres";
import { startTestPostgres, type TestPostgres } from "@weft/sql-postgres/testing";
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ConsumersFixture, consumerLaws, describeConsumer } from "./conformance/index.ts";
import { forgetTakenIn, inboxMigrations, takeInOnce } from "./index.ts";
import { identityOf, type Intake } from "./intake.ts";
import { inOneTransaction, openSqlConsumers, type SqlHandler } from "./sql.fixture.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

describeConsumer("an inbox in SQL", () => openConsumers(), { runs: 8 });

describeConsumer("an inbox in SQL, serializable", () => openConsumers(serializable), { runs: 3 });

const event = { source: "/s", id: "e" };
const intake = { group: "g", event };

test("the second of two deliveries waits for the first: it is the one if that rolled back", async () => {
  await using database = await openInbox();
  for (const ends of ["rolls back", "commits"] as const) {
    const [taken, waiting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const first = database.transaction(async (transaction) => {
      expect(await takeInOnce(transaction, intake)).toBe(true);
      taken.resolve();
      await waiting.promise;
      if (ends === "rolls back") throw new Error("on purpose");
    });
    await taken.promise;
    const second = database.transaction((transaction) => takeInOnce(transaction, { group: "g", event: { ...event } }));
    await within(5000, "the second delivery waits", async () => (await waitingCount(database.kysely)) === 1);
    waiting.resolve();
    await (ends === "commits" ? first : expect(first).rejects.toThrow("on purpose"));
    expect(await second).toBe(ends === "rolls back");
    await sql`truncate weft_inbox`.execute(database.kysely);
  }
});

test("names of any length and letters are told apart", async () => {
  await using database = await openInbox();
  const names = ["", "\0", "\ud800", "\ud801", "x".repeat(10_000), "/s", '","'];
  const events = names.flatMap((source) => names.map((id) => ({ source, id })));
  const taken = await database.transaction(async (transaction) => {
    const answers: boolean[] = [];
    for (const one of [...events, ...events]) answers.push(await takeInOnce(transaction, { group: "g", event: one }));
    return answers;
  });
  expect(taken).toEqual([...events.map(() => true), ...events.map(() => false)]);
});

test("what is old is forgotten, in any number of replicas, and what is not is kept", async () => {
  await using database = await openInbox();
  await sql`
    insert into weft_inbox select 'g', int4send(n), now() - interval '46 days' from generate_series(1, 25000) as n`.execute(
    database.kysely,
  );
  await database.transaction((transaction) => takeInOnce(transaction, intake));
  const forgotten = await Promise.all([forgetTakenIn(database), forgetTakenIn(database)]);
  expect(forgotten[0] + forgotten[1]).toBe(25_000);
  expect(await forgetTakenIn(database, { olderThanMs: 3_600_000 })).toBe(0);
  expect(await forgetTakenIn(database, { olderThanMs: 0 })).toBe(1);
});

const taking = inOneTransaction;

const serializable: SqlHandler = (database, intake, life, effect) =>
  taking(
    { ...database, transaction: (work) => database.transaction(work, { isolation: "serializable", attempts: 10 }) },
    intake,
    life,
    effect,
  );

async function openDatabase(): Promise<SqlDatabase<unknown>> {
  return openPostgres<unknown>({ url: await postgres.freshDatabase(), poolSize: 4 });
}

async function openInbox(): Promise<SqlDatabase<unknown>> {
  const database = await openDatabase();
  await database.migrate(inboxMigrations);
  return database;
}

async function openConsumers(handler?: SqlHandler): Promise<ConsumersFixture> {
  return openSqlConsumers(await openDatabase(), handler);
}

async function waitingCount(kysely: Kysely<unknown>): Promise<number | undefined> {
  const { rows } = await sql<{ n: number }>`
    select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`.execute(
    kysely,
  );
  return rows[0]?.n;
}

const recorded = (kysely: Kysely<unknown>, { group, event }: Intake) =>
  sql`select 1 from weft_inbox where consumer = ${group} and event = ${identityOf(event)}`.execute(kysely);

function mutant(breaks: string, fault: string, handler: SqlHandler): Mutant<ConsumersFixture> {
  return { breaks, fault, open: () => openConsumers(handler) };
}

describeMutants("the laws of consumers notice an inbox in SQL", consumerLaws({ seed: 1, runs: 100, shrink: false }), [
  mutant("I1", "nothing is recorded", (database, _intake, life, effect) =>
    life.write(() => database.transaction(effect)),
  ),
  mutant("I2", "the record follows the effect in another transaction", async (database, intake, life, effect) => {
    await life.write(() =>
      database.transaction(async (transaction) => {
        const { rows } = await recorded(transaction, intake);
        if (rows.length === 0) await effect(transaction);
      }),
    );
    await life.write(() => database.transaction(async (transaction) => void (await takeInOnce(transaction, intake))));
  }),
  mutant("I2", "the record goes before the effect in another transaction", async (database, intake, life, effect) => {
    if (!(await life.write(() => database.transaction((transaction) => takeInOnce(transaction, intake))))) return;
    await life.write(() => database.transaction(effect));
  }),
  mutant(
    "I3",
    "it looks for the record before, and does not mind one that is there then",
    (database, intake, life, effect) =>
      life.write(async () => {
        const { rows } = await recorded(database.kysely, intake);
        if (rows.length > 0) return;
        await life.pause();
        await database.transaction(async (transaction) => {
          await takeInOnce(transaction, intake);
          await effect(transaction);
        });
      }),
  ),
  mutant("I1", "the record is of no group", (database, intake, life, effect) =>
    taking(database, { ...intake, group: "all" }, life, effect),
  ),
  mutant("I1", "an event is known by its id alone", (database, { group, event }, life, effect) =>
    taking(database, { group, event: { id: event.id, source: "" } }, life, effect),
  ),
  mutant("I5", "records are removed too early", async (database, intake, life, effect) => {
    await sql`delete from weft_inbox where taken_in < now() - interval '7 days'`.execute(database.kysely);
    await taking(database, intake, life, effect);
  }),
]);
