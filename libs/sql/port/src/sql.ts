import type { Kysely, Transaction } from "kysely";
import type { InsertLogs } from "./insert-log.ts";

/** One step of a schema, applied once and for good. */
export interface Migration {
  /** Sorts by time: `0001-users`. */
  readonly name: string;
  /** SQL statements, run together in one transaction. */
  readonly up: string;
}

export interface TransactionOptions {
  /** Default `read committed`. */
  readonly isolation?: "read committed" | "repeatable read" | "serializable";
  /** Tries in all after serialization failures and deadlocks. Default 3. */
  readonly attempts?: number;
}

/**
 * Building block: relational SQL, which is PostgreSQL. Queries are written with kysely.
 *
 * Laws:
 * - `Q1` A transaction whose function rejects leaves nothing behind; one that resolved is durable.
 * - `Q2` Each migration runs exactly once, in order of name, however many processes start at the same time; a changed or vanished one that has run already is `FAILED_PRECONDITION`. One that sorts after all that this process knows is a newer version's and is left alone, so that both run side by side (as Flyway ignores future migrations): a migration must not take away what the version before it uses.
 * - `Q3` The pool is bounded: a query that gets no connection in time ends in `RESOURCE_EXHAUSTED`.
 * - `Q4` A statement over its time limit ends in `DEADLINE_EXCEEDED`, a lost server in `UNAVAILABLE`; the pool recovers by itself.
 * - `Q5` A unique violation is `ALREADY_EXISTS` with the constraint's name in `metadata.constraint`; a serialization failure that outlived its attempts is `CONFLICT`.
 * - `Q6` A notification sent in a transaction reaches every listener after the commit, and none if it rolled back. A listener that lost its connection is called once when it is back.
 * - `Q7`, `Q8`, `Q9`: see {@link InsertLogs}.
 */
export interface SqlDatabase<Schema> extends AsyncDisposable {
  /** For queries outside a transaction. Its errors are WeftErrors too. */
  readonly kysely: Kysely<Schema>;
  transaction<T>(work: (transaction: Transaction<Schema>) => Promise<T>, options?: TransactionOptions): Promise<T>;
  migrate(migrations: readonly Migration[]): Promise<void>;
  /** Calls `onNotify` for each NOTIFY on the channel. `UNAVAILABLE` when the server can't be reached. */
  listen(channel: string, onNotify: () => void): Promise<AsyncDisposable>;
  /** What was inserted, as the server's own log has it. */
  readonly insertLogs: InsertLogs;
}
