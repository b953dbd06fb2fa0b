import { closeSync, mkdirSync, openSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { errorCode, WeftError } from "@weft/kit";
import { ChangeWatch } from "./change-watch.ts";
import { sqliteError } from "./errors.ts";

export interface OpenSqliteOptions {
  /** Path of the file; it and its folder are made when missing, for this user alone. */
  readonly path: string;
  /** Schema steps, each SQL text, applied once and in order; only ever appended to. */
  readonly schema: readonly string[];
  /** `full` survives a loss of power, `normal` a crash of any process. Default `normal`. */
  readonly durability?: "normal" | "full";
  /** How long a statement waits for another process's transaction, in milliseconds. Default 5,000. */
  readonly busyTimeoutMs?: number;
}

/**
 * A SQLite file in WAL mode that several processes have open at the same time (https://www.sqlite.org/wal.html).
 *
 * Calls are synchronous and short: a transaction never spans an `await`. Errors are WeftErrors.
 */
export class SqliteFile implements Disposable {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #watch: ChangeWatch;
  #depth = 0;

  constructor(options: OpenSqliteOptions) {
    const { path, schema, durability = "normal", busyTimeoutMs = 5000 } = options;
    this.#db = guard(() => {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      makeFile(path);
      return new DatabaseSync(path, { timeout: busyTimeoutMs });
    });
    try {
      guard(() =>
        this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = ${durability}; PRAGMA foreign_keys = ON`),
      );
      this.#migrate(schema);
    } catch (error) {
      this.#db.close();
      throw error;
    }
    this.#watch = new ChangeWatch(path, () => this.#dataVersion());
  }

  /** Rows of a query. */
  all<Row>(sql: string, ...parameters: SQLInputValue[]): Row[] {
    return guard(() => this.#prepare(sql).all(...parameters) as Row[]);
  }

  /** The first row of a query. */
  get<Row>(sql: string, ...parameters: SQLInputValue[]): Row | undefined {
    return guard(() => this.#prepare(sql).get(...parameters) as Row | undefined);
  }

  /** Rows one at a time. The read transaction stays open until the iteration ends: keep it short. */
  *iterate<Row>(sql: string, ...parameters: SQLInputValue[]): Iterable<Row> {
    try {
      // Not from the cache: a statement can't be iterated twice at the same time.
      yield* this.#db.prepare(sql).iterate(...parameters) as Iterable<Row>;
    } catch (error) {
      throw sqliteError(error);
    }
  }

  /** Number of rows changed. */
  run(sql: string, ...parameters: SQLInputValue[]): number {
    return guard(() => Number(this.#prepare(sql).run(...parameters).changes));
  }

  /**
   * Runs `work` in one write transaction: all of it or nothing. Takes the write lock at once, so that it can't fail
   * half-way because another process wrote meanwhile. Inside another transaction it joins that one.
   */
  transaction<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    guard(() => this.#db.exec("BEGIN IMMEDIATE"));
    this.#depth += 1;
    try {
      const result = work();
      guard(() => this.#db.exec("COMMIT"));
      return result;
    } catch (error) {
      try {
        if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      } catch {
        // The first failure says more than this one.
      }
      throw error;
    } finally {
      this.#depth -= 1;
      this.#watch.wake();
    }
  }

  /** Several reads of one state of the file. */
  snapshot<T>(work: () => T): T {
    if (this.#depth > 0) return work();
    guard(() => this.#db.exec("BEGIN"));
    this.#depth += 1;
    try {
      return work();
    } finally {
      this.#depth -= 1;
      if (this.#db.isTransaction) guard(() => this.#db.exec("COMMIT"));
    }
  }

  /** Registers a function of SQL. */
  function(name: string, body: (...parameters: never[]) => SQLInputValue): void {
    this.#db.function(
      name,
      { deterministic: true, varargs: true },
      body as (...parameters: SQLInputValue[]) => SQLInputValue,
    );
  }

  /**
   * Calls `listener` soon after this or any other process committed, without polling hard: at the latest after half a
   * second, mostly within a few milliseconds. Calls may be merged, and may come when nothing that matters changed.
   */
  onChange(listener: () => void): Disposable {
    return this.#watch.add(listener);
  }

  /** Tells listeners of this process after writes made outside `transaction`. */
  wake(): void {
    this.#watch.wake();
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    if (this.#db.isOpen) this.#db.close();
  }

  #dataVersion(): number {
    if (!this.#db.isOpen) return 0;
    return this.get<{ data_version: number }>("PRAGMA data_version")?.data_version ?? 0;
  }

  #prepare(sql: string): StatementSync {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql);
      // Callers keep to a fixed set of texts; this bound only stops one that does not.
      if (this.#statements.size >= 500) this.#statements.clear();
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #migrate(schema: readonly string[]): void {
    const applied = (): number => this.get<{ user_version: number }>("PRAGMA user_version")?.user_version ?? 0;
    if (applied() < schema.length) {
      guard(() => this.#db.exec("BEGIN IMMEDIATE"));
      // Another process may have been faster, and may know more steps.
      const before = applied();
      for (const step of schema.slice(before)) guard(() => this.#db.exec(step));
      guard(() => this.#db.exec(`PRAGMA user_version = ${Math.max(before, schema.length)}; COMMIT`));
    }
    if (applied() > schema.length) {
      throw new WeftError("FAILED_PRECONDITION", "the data folder was written by a newer version of Weft");
    }
  }
}

/** SQLite gives its own `-wal` and `-shm` files the mode of this one. */
function makeFile(path: string): void {
  try {
    // Never opens one that is there: closing it would free the locks that this process has on it (POSIX).
    closeSync(openSync(path, "wx", 0o600));
  } catch (error) {
    if (errorCode(error) !== "EEXIST") throw error;
  }
}

function guard<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw sqliteError(error);
  }
}
