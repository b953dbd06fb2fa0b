import { type Kysely, sql, type Transaction } from "kysely";
import type { SqlDatabase } from "@weft/sql";
import type { ConsumersFixture, Life, TestConsumer, ToldEvent } from "./conformance/index.ts";
import { forgetTakenIn, inboxMigrations, type Intake, rememberMs, takeInOnce } from "./index.ts";

type Tx = Transaction<unknown>;

/** How a handler gets its effect into the database once: right, or wrong in some way. */
export type SqlHandler = (
  database: SqlDatabase<unknown>,
  intake: Intake,
  life: Life,
  effect: (transaction: Tx) => Promise<void>,
) => Promise<void>;

export const inOneTransaction: SqlHandler = (database, intake, life, effect) =>
  life.write(() =>
    database.transaction(async (transaction) => {
      if (!(await takeInOnce(transaction, intake))) return;
      await life.pause();
      await effect(transaction);
      await life.middle();
    }),
  );

export const effectMigrations = [
  ...inboxMigrations,
  {
    name: "1000-effects",
    // Nothing here tells that an effect came twice but the rows themselves.
    up: `create table effects (consumer text, key text, source text, id text);
         create table totals (consumer text, key text, total int not null, primary key (consumer, key))`,
  },
];

/** Two groups that count events in a database, which is disposed with them. */
export async function openSqlConsumers(
  database: SqlDatabase<unknown>,
  handler = inOneTransaction,
): Promise<ConsumersFixture> {
  await database.migrate(effectMigrations);
  return {
    consumers: ["one", "two"].map((group) => consumer(database, group, handler)),
    rememberMs,
    async pass(ms) {
      // The clock is the database's own: what was taken in moves into the past instead.
      const seconds = ms / 1000;
      await sql`update weft_inbox set taken_in = taken_in - make_interval(secs => ${seconds})`.execute(database.kysely);
      await forgetTakenIn(database);
    },
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}

function consumer(database: SqlDatabase<unknown>, group: string, handler: SqlHandler): TestConsumer {
  return {
    take: (event, life) => handler(database, { group, event }, life, (transaction) => count(transaction, group, event)),
    outcome: (events) => counted(database.kysely, group, events),
    expected: (events) => ({
      effects: events.map(() => 1),
      totals: events.map(({ key }) => events.filter((other) => other.key === key).length),
    }),
  };
}

/** An effect that no version guards: a row for each event, and a sum. */
export async function count(
  transaction: Tx,
  group: string,
  { key, source, id }: Pick<ToldEvent, "key" | "source" | "id">,
): Promise<void> {
  await sql`
    with effect as (insert into effects values (${group}, ${key}, ${source}, ${id}))
    insert into totals values (${group}, ${key}, 1)
    on conflict (consumer, key) do update set total = totals.total + 1`.execute(transaction);
}

async function counted(kysely: Kysely<unknown>, group: string, events: readonly ToldEvent[]): Promise<unknown> {
  const { rows } = await sql<{ effects: number; total: number }>`
    select (select count(*)::int from effects
            where consumer = ${group} and source = told.source and id = told.id) as effects,
           (select total from totals where consumer = ${group} and key = told.key) as total
    from unnest(${events.map(({ source }) => source)}::text[], ${events.map(({ id }) => id)}::text[],
                ${events.map(({ key }) => key)}::text[]) with ordinality as told (source, id, key, place)
    order by place`.execute(kysely);
  return { effects: rows.map(({ effects }) => effects), totals: rows.map(({ total }) => total) };
}
