import { AbortedTransactionError, Kysely, PostgresDialect, sql, type Transaction } from "kysely";
import type { PoolConfig } from "pg";
import { backoffMs, type Clock, type Log, type Secret, silentLog, systemClock, WeftError } from "@weft/kit";
import type { Migration, SqlDatabase, TransactionOptions } from "@weft/sql";
import { mayRetryTransaction, postgresError } from "./errors.ts";
import { Listener } from "./listener.ts";
import { PostgresInsertLogs } from "./log/insert-logs.ts";
import { migrate } from "./migrate.ts";
import { MappedPool } from "./pool.ts";
import { type PostgresLimits, type PostgresUrl, readPostgresUrl } from "./url.ts";

export interface OpenPostgresOptions extends PostgresLimits {
  /** `postgres://user:password@host:port/database`, with TLS (`sslmode` …) and limits as {@link readPostgresUrl} knows them. */
  readonly url: Secret;
  /** Shown by the server in `pg_stat_activity`; `application_name` of the URL counts more. Default `weft`. */
  readonly applicationName?: string;
  /** Default the system's. */
  readonly clock?: Clock;
  /** When the server is lost, and when it is back. Default: silent. */
  readonly log?: Log;
}

/** How long a transaction may do nothing before the server ends it, in milliseconds: a forgotten one holds up vacuum and the outbox. */
const idleTransactionMs = 60_000;
/** How much longer than the server's own limit to wait for an answer, in milliseconds, before the network is to blame. */
const answerGraceMs = 2000;

/**
 * Opens a PostgreSQL database; resolves when it has answered.
 * Rejects with `INVALID_CONFIGURATION` for a bad URL, credentials or certificate, `UNAVAILABLE` when the server can't be
 * reached.
 */
export async function openPostgres<Schema>(options: OpenPostgresOptions): Promise<SqlDatabase<Schema>> {
  const { clock = systemClock, log = silentLog } = options;
  const database = new PostgresDatabase<Schema>(poolConfig(options, await readPostgresUrl(options.url)), {
    clock,
    log,
  });
  try {
    await sql`select 1`.execute(database.kysely);
    return database;
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

function poolConfig({ applicationName = "weft", ...options }: OpenPostgresOptions, url: PostgresUrl): PoolConfig {
  const limits: PostgresLimits = { ...options, ...url.limits };
  const { poolSize = 10, acquireTimeoutMs = 5000, statementTimeoutMs = 10_000 } = limits;
  // Below the statement's own, so that who waits for another transaction is told so, and may try again.
  const { lockTimeoutMs = Math.ceil(statementTimeoutMs / 2) } = limits;
  return {
    application_name: applicationName,
    ...url.server,
    max: poolSize,
    connectionTimeoutMillis: acquireTimeoutMs,
    idleTimeoutMillis: 60_000,
    statement_timeout: statementTimeoutMs,
    query_timeout: statementTimeoutMs + answerGraceMs,
    idle_in_transaction_session_timeout: idleTransactionMs,
    lock_timeout: lockTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

class PostgresDatabase<Schema> implements SqlDatabase<Schema> {
  readonly kysely: Kysely<Schema>;
  readonly insertLogs: PostgresInsertLogs<Schema>;
  readonly #config: PoolConfig;
  readonly #clock: Clock;
  readonly #pool: MappedPool;
  readonly #listener: Listener;

  constructor(config: PoolConfig, options: { readonly clock: Clock; readonly log: Log }) {
    this.#config = config;
    this.#clock = options.clock;
    this.#pool = new MappedPool(config, options.log);
    this.#listener = new Listener(config, options);
    this.kysely = new Kysely<Schema>({ dialect: new PostgresDialect({ pool: this.#pool }) });
    this.insertLogs = new PostgresInsertLogs({ kysely: this.kysely, config, clock: options.clock });
  }

  async transaction<T>(
    work: (transaction: Transaction<Schema>) => Promise<T>,
    options: TransactionOptions = {},
  ): Promise<T> {
    const { isolation = "read committed", attempts = 3 } = options;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.kysely.transaction().setIsolationLevel(isolation).execute(work);
      } catch (error) {
        if (error instanceof AbortedTransactionError) {
          throw new WeftError("INTERNAL", "the transaction went on after a failed statement", { cause: error });
        }
        if (attempt >= attempts || !mayRetryTransaction(error)) throw error;
        await this.#clock.sleep(backoffMs(attempt, { initialMs: 10, maxMs: 200 }));
      }
    }
  }

  migrate(migrations: readonly Migration[]): Promise<void> {
    return migrate(this.#config, migrations);
  }

  listen(channel: string, onNotify: () => void): Promise<AsyncDisposable> {
    return this.#listener.listen(channel, onNotify);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#listener[Symbol.asyncDispose](), this.#pool.end()]).catch((error: unknown) => {
      throw postgresError(error);
    });
  }
}
