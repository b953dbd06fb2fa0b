import { join } from "node:path";
import { type Clock, systemClock, WeftError } from "@weft/kit";
import { SqliteFile } from "@weft/sqlite";
import {
  checkKey,
  checkRange,
  checkSet,
  checkTransaction,
  rangeBounds,
  type RangeOptions,
  type SetOptions,
  type StateCapability,
  type StateEntry,
  type StateOperation,
  type StateStore,
} from "@weft/state";

export interface OpenEmbeddedStateOptions {
  /** The data folder. */
  readonly dataDir: string;
  /** Names the store: its file is `state-<name>.db`. Letters, digits, dashes and underscores. */
  readonly name: string;
  /** Default: the machine's. All processes of a data folder must agree on the time. */
  readonly clock?: Clock;
}

/** Keyed state for the processes that share a data folder. `UNAVAILABLE` when the folder can't be used. */
export async function openEmbeddedState(options: OpenEmbeddedStateOptions): Promise<StateStore> {
  return new EmbeddedState(options);
}

const schema = [
  // AUTOINCREMENT never gives a number twice, not even a deleted row's: so the id of the row is the etag.
  `
  CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key BLOB NOT NULL UNIQUE, -- UTF-8: blobs sort by their bytes
    value BLOB NOT NULL,
    expires INTEGER -- milliseconds since the epoch
  );
  CREATE INDEX entry_by_expiry ON entry (expires) WHERE expires IS NOT NULL;
  `,
];

/** Expired entries that a write clears away: more than it can make, so they don't pile up. */
const purgeLimit = 20;

interface Row {
  readonly id: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** {@link openEmbeddedState} */
export class EmbeddedState implements StateStore {
  readonly capabilities: ReadonlySet<StateCapability> = new Set<StateCapability>(["transactions", "ttl", "ranges"]);
  readonly #file: SqliteFile;
  readonly #clock: Clock;
  #closed = false;

  constructor({ dataDir, name, clock = systemClock }: OpenEmbeddedStateOptions) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(name)) {
      throw new WeftError("INVALID_ARGUMENT", "a store's name is 1 to 64 letters, digits, dashes and underscores");
    }
    this.#file = new SqliteFile({ path: join(dataDir, `state-${name}.db`), schema });
    this.#clock = clock;
  }

  async get(key: string): Promise<StateEntry | undefined> {
    checkKey(key);
    this.#checkOpen();
    return this.#read(key);
  }

  async getMany(keys: readonly string[]): Promise<readonly (StateEntry | undefined)[]> {
    keys.forEach(checkKey);
    this.#checkOpen();
    return this.#file.snapshot(() => keys.map((key) => this.#read(key)));
  }

  async set(key: string, value: Uint8Array, options: SetOptions = {}): Promise<string> {
    checkSet(key, value, options);
    return this.#write(() => this.#set(key, value, options));
  }

  async delete(key: string, options: { readonly etag?: string } = {}): Promise<void> {
    checkKey(key);
    this.#write(() => this.#delete(key, options.etag));
  }

  async transaction(operations: readonly StateOperation[]): Promise<void> {
    checkTransaction(operations);
    this.#write(() => {
      for (const operation of operations) {
        if (operation.kind === "set") this.#set(operation.key, operation.value, operation);
        else this.#delete(operation.key, operation.etag);
      }
    });
  }

  async range(options: RangeOptions): Promise<readonly StateEntry[]> {
    checkRange(options);
    this.#checkOpen();
    const { limit, reverse = false } = options;
    const { from, to } = rangeBounds(options);
    const upper = to === undefined ? "" : "AND key < ?";
    return this.#file
      .all<Row>(
        `SELECT id, key, value FROM entry WHERE key >= ? ${upper} AND (expires IS NULL OR expires > ?)
         ORDER BY key ${reverse ? "DESC" : "ASC"} LIMIT ?`,
        ...(to === undefined ? [from] : [from, to]),
        this.#clock.now(),
        limit,
      )
      .map(toEntry);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    this.#file[Symbol.dispose]();
  }

  #read(key: string): StateEntry | undefined {
    const sql = "SELECT id, key, value FROM entry WHERE key = ? AND (expires IS NULL OR expires > ?)";
    const row = this.#file.get<Row>(sql, Buffer.from(key), this.#clock.now());
    return row && toEntry(row);
  }

  #set(key: string, value: Uint8Array, { etag, ifAbsent = false, ttlMs }: SetOptions): string {
    if (etag !== undefined) this.#checkVersion(key, etag);
    if (ifAbsent && this.#read(key) !== undefined) throw mismatch("there is a value already");
    const row = this.#file.get<{ id: number }>(
      "INSERT OR REPLACE INTO entry (key, value, expires) VALUES (?, ?, ?) RETURNING id",
      Buffer.from(key),
      value,
      ttlMs === undefined ? null : this.#clock.now() + ttlMs,
    );
    return String(row?.id);
  }

  #delete(key: string, etag: string | undefined): void {
    if (etag !== undefined) this.#checkVersion(key, etag);
    this.#file.run("DELETE FROM entry WHERE key = ?", Buffer.from(key));
  }

  #checkVersion(key: string, etag: string): void {
    if (!/^[1-9][0-9]{0,15}$/.test(etag)) throw new WeftError("INVALID_ETAG", "the etag is not one of this store");
    if (this.#read(key)?.etag !== etag) throw mismatch("the value changed since the etag was read");
  }

  #write<T>(work: () => T): T {
    this.#checkOpen();
    return this.#file.transaction(() => {
      const result = work();
      this.#file.run(
        "DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE expires <= ? LIMIT ?)",
        this.#clock.now(),
        purgeLimit,
      );
      return result;
    });
  }

  #checkOpen(): void {
    if (this.#closed) throw new WeftError("UNAVAILABLE", "the store is closed");
  }
}

function toEntry({ id, key, value }: Row): StateEntry {
  return { key: Buffer.from(key).toString(), value, etag: String(id) };
}

function mismatch(message: string): WeftError {
  return new WeftError("ETAG_MISMATCH", message);
}
