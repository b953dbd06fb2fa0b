/** Names a log: one for each table of a database that is read in this way. */
export interface InsertLogName {
  /** Lower-case letters, digits and underscores, at most 40. */
  readonly name: string;
  readonly table: string;
  /** The column whose value stands for a row; its text has no more than a few dozen characters. */
  readonly column: string;
}

/** How far a reader is behind, in bytes of the server's log. */
export interface InsertLogLag {
  /** What the server keeps for this reader, open transactions included. */
  readonly retainedBytes: number;
  /** How much more it keeps before it gives the reader up; undefined where it has no limit. */
  readonly leftBytes: number | undefined;
}

/**
 * Logs of what transactions insert into a table, in the order of their commits: change data capture by logical
 * replication. The server remembers how far the reader is, and keeps what it has not confirmed.
 *
 * Laws:
 * - `Q7` What was inserted by transactions that committed after the log was made is read, in the order of the commits and
 *   within one in the order of the inserts; nothing of a transaction that rolled back. After `settled` it is there for whoever looks.
 * - `Q8` What was not confirmed is read again by the next reader, what was confirmed is not. One reader at a time: for a
 *   second one `open` is `UNAVAILABLE`.
 * - `Q9` A log that was never made, was dropped, or that the server gave up because its reader was too far behind, is
 *   `NOT_FOUND`. A server that can't keep one, and a user who may not have it, is `FAILED_PRECONDITION` with what to do.
 */
export interface InsertLogs {
  /** Sees to it that the server and the user can do this, now that the table is there; `FAILED_PRECONDITION` as in `Q9`. */
  prepare(log: InsertLogName): Promise<void>;
  /**
   * Makes a log that begins now, in the place of one that is there. It waits for every transaction that is open, then
   * for `onBegun`, and counts once that has resolved: a caller who deals there with what the table holds misses nothing,
   * even if it is killed half-way.
   */
  make(log: InsertLogName, onBegun: () => Promise<void>, signal: AbortSignal): Promise<void>;
  /** Begins to read where the last reader has confirmed. */
  open(log: InsertLogName): Promise<InsertLogReader>;
  /** Undefined when there is no such log. */
  lag(name: string): Promise<InsertLogLag | undefined>;
  /** Whether there was one. `UNAVAILABLE` while somebody reads it. */
  drop(name: string): Promise<boolean>;
}

/** Disposing ends the reading; what was not confirmed comes again. */
export interface InsertLogReader extends AsyncDisposable {
  /**
   * What was inserted since the last call, at least one row and at most `limit`, as soon as there is something; for one
   * caller at a time. `UNAVAILABLE` when the connection was lost (then open it again), `NOT_FOUND` as in `Q9`,
   * `CANCELLED` when `signal` aborts.
   */
  read(limit: number, signal: AbortSignal): Promise<LoggedInserts>;
  /**
   * Resolves when whoever looks from now on finds what the last `read` gave. The log has a commit a moment before others
   * see it: until then a row that is not found may yet come. `UNAVAILABLE` when that takes longer than 10 s.
   */
  settled(): Promise<void>;
  /** The server may forget what was committed up to there. Positions only grow. */
  confirm(position: bigint): void;
}

export interface LoggedInserts {
  /** The column's value of each row, as text. */
  readonly values: readonly string[];
  /** Where the last transaction ends that has been read as a whole; undefined when none has been since the last call. */
  readonly position: bigint | undefined;
}
