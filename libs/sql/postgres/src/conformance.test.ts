import { afterAll, beforeAll } from "vitest";
import { describeMutants } from "@weft/kit/testing";
import type {
  InsertLogName,
  InsertLogReader,
  InsertLogs,
  LoggedInserts,
  Migration,
  SqlDatabase,
  TransactionOptions,
} from "@weft/sql";
import { describeSqlConformance, type SqlFixture, sqlLaws } from "@weft/sql/conformance";
import type { Transaction } from "kysely";
import { openProxiedDatabase } from "./proxied.fixture.ts";
import { startTestPostgres, type TestPostgres } from "./testing.ts";

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await startTestPostgres();
}, 60_000);
afterAll(() => postgres[Symbol.asyncDispose]());

type Database = SqlDatabase<unknown>;

/** A fresh database behind a proxy that can be cut. `wrap` breaks the handle on purpose. */
async function openFixture(wrap: (database: Database) => Database = (it) => it): Promise<SqlFixture> {
  return openProxiedDatabase(await postgres.freshDatabase(), wrap);
}

describeSqlConformance("postgres", openFixture);

/** The right handle with one thing replaced. */
function change(database: Database, changes: Partial<Database>): Database {
  return {
    kysely: database.kysely,
    transaction: (work, options) => database.transaction(work, options),
    migrate: (migrations) => database.migrate(migrations),
    listen: (channel, onNotify) => database.listen(channel, onNotify),
    insertLogs: database.insertLogs,
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
    ...changes,
  };
}

/** The right handle with something wrong about its logs. */
function changeLogs(database: Database, wrap: (right: InsertLogs) => Partial<InsertLogs>): Database {
  const right = database.insertLogs;
  const insertLogs: InsertLogs = {
    prepare: (log) => right.prepare(log),
    make: (log, onBegun, signal) => right.make(log, onBegun, signal),
    open: (log) => right.open(log),
    lag: (name) => right.lag(name),
    drop: (name) => right.drop(name),
    ...wrap(right),
  };
  return change(database, { insertLogs });
}

/** A right reader with something wrong about what it reads. */
function changeReads(
  database: Database,
  wrap: (read: LoggedInserts, reader: InsertLogReader) => LoggedInserts,
): Database {
  const open = async (right: InsertLogs, log: InsertLogName): Promise<InsertLogReader> => {
    const reader = await right.open(log);
    return {
      read: async (limit, signal) => wrap(await reader.read(limit, signal), reader),
      settled: () => reader.settled(),
      confirm: (position) => reader.confirm(position),
      [Symbol.asyncDispose]: () => reader[Symbol.asyncDispose](),
    };
  };
  return changeLogs(database, (right) => ({ open: (log) => open(right, log) }));
}

type Work<T> = (transaction: Transaction<unknown>) => Promise<T>;

const mutants: readonly {
  readonly fault: string;
  readonly breaks: string;
  readonly wrap: (database: Database) => Database;
}[] = [
  {
    fault: "it commits what was done before the failure",
    breaks: "Q1",
    wrap: (database) =>
      change(database, {
        transaction: async <T>(work: Work<T>, options?: TransactionOptions) => {
          const done = await database.transaction(
            (transaction) =>
              work(transaction).then(
                (value) => ({ value }),
                (error: unknown) => ({ error }),
              ),
            options,
          );
          if ("error" in done) throw done.error;
          return done.value;
        },
      }),
  },
  {
    fault: "it resolves though the commit became a rollback",
    breaks: "Q1",
    wrap: (database) =>
      change(database, {
        transaction: <T>(work: Work<T>) => {
          let result: T;
          return database
            .transaction(async (transaction) => (result = await work(transaction)))
            .catch((error: unknown) => {
              if (result === undefined) return result;
              throw error;
            });
        },
      }),
  },
  {
    fault: "it runs migrations in the order of the list",
    breaks: "Q2",
    wrap: (database) =>
      change(database, {
        migrate: (migrations) => database.migrate(migrations.map((step, index) => ({ ...step, name: `${index}` }))),
      }),
  },
  {
    fault: "it forgets what a migration was",
    breaks: "Q2",
    wrap: (database) => {
      const first = new Map<string, Migration>();
      return change(database, {
        migrate: (migrations) =>
          database
            .migrate([...new Map([...migrations.map((step) => [step.name, step] as const), ...first]).values()])
            .then(() => migrations.forEach((step) => void (first.has(step.name) || first.set(step.name, step)))),
      });
    },
  },
  {
    fault: "it never gives up on a serialization failure",
    breaks: "Q5",
    wrap: (database) =>
      change(database, { transaction: (work, options) => database.transaction(work, { ...options, attempts: 100 }) }),
  },
  {
    fault: "it does not call a listener that comes back",
    breaks: "Q6",
    wrap: (database) =>
      change(database, {
        listen: (channel, onNotify) => {
          let calls = 0;
          return database.listen(channel, () => void ((calls += 1) > 1 && onNotify()));
        },
      }),
  },
  {
    fault: "it sorts what it reads",
    breaks: "Q7",
    wrap: (database) => changeReads(database, ({ values, position }) => ({ values: values.toSorted(), position })),
  },
  {
    fault: "it gives a position within a transaction",
    breaks: "Q7",
    wrap: (database) => changeReads(database, ({ values, position }) => ({ values, position: position ?? 1n })),
  },
  {
    fault: "a log counts before its maker is through",
    breaks: "Q7",
    wrap: (database) =>
      changeLogs(database, (right) => ({
        make: async (log, onBegun, signal) => {
          await right.make(log, () => Promise.resolve(), signal);
          await onBegun();
        },
      })),
  },
  {
    fault: "it confirms what it reads",
    breaks: "Q8",
    wrap: (database) =>
      changeReads(database, (read, reader) => {
        if (read.position !== undefined) reader.confirm(read.position);
        return read;
      }),
  },
  {
    fault: "it makes a log where there is none",
    breaks: "Q9",
    wrap: (database) =>
      changeLogs(database, (right) => ({
        open: async (log) => {
          if ((await right.lag(log.name)) === undefined) {
            await right.make(log, () => Promise.resolve(), AbortSignal.timeout(20_000));
          }
          return right.open(log);
        },
      })),
  },
];

describeMutants(
  "the suite",
  sqlLaws,
  mutants.map(({ fault, breaks, wrap }) => ({ fault, breaks, open: () => openFixture(wrap) })),
);
