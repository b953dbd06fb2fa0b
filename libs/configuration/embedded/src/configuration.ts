import { join } from "node:path";
import type { ConfigurationItem, ConfigurationStore, ConfigurationUpdate } from "@weft/configuration";
import { checkKey, sameUpdate } from "@weft/configuration";
import { type Clock, Latest, type Log, silentLog, systemClock, WeftError } from "@weft/kit";
import { SqliteFile } from "@weft/sqlite";

export interface EmbeddedConfigurationOptions {
  /** The data folder; the settings are `configuration.db` in it. */
  readonly dataDir: string;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
}

/** How often a file that can't be read is tried again, in milliseconds. */
const retryMs = 500;

/** Steps of the file's schema; only ever appended to. */
export const schema = [
  // Versions come from one counter, so that a key that was removed and set again has a new one.
  `CREATE TABLE item (key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE counter (value INTEGER NOT NULL);
   INSERT INTO counter VALUES (0);`,
];

/** Settings in the data folder, shared by its processes. `UNAVAILABLE` when the folder can't be used. */
export async function openEmbeddedConfiguration(options: EmbeddedConfigurationOptions): Promise<ConfigurationStore> {
  return new EmbeddedConfiguration(options);
}

type Items = ReadonlyMap<string, ConfigurationItem>;

class EmbeddedConfiguration implements ConfigurationStore {
  readonly #file: SqliteFile;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #closed = new AbortController();

  constructor({ dataDir, clock = systemClock, log = silentLog }: EmbeddedConfigurationOptions) {
    this.#file = new SqliteFile({ path: join(dataDir, "configuration.db"), schema });
    this.#clock = clock;
    this.#log = log;
  }

  async get(keys: readonly string[]): Promise<Items> {
    this.#checkOpen();
    return this.#read(keys);
  }

  async set(key: string, value: string | undefined): Promise<void> {
    this.#checkOpen();
    checkKey(key);
    this.#file.transaction(() => {
      this.#file.run("UPDATE counter SET value = value + 1");
      if (value === undefined) this.#file.run("DELETE FROM item WHERE key = ?", key);
      else this.#file.run("INSERT OR REPLACE INTO item SELECT ?, ?, value FROM counter", key, value);
    });
  }

  async *watch(keys: readonly string[], signal: AbortSignal): AsyncGenerator<ConfigurationUpdate, void, undefined> {
    const ended = AbortSignal.any([signal, this.#closed.signal]);
    if (ended.aborted) return;
    const updates = new Latest(sameUpdate);
    const done = new AbortController();
    let last: ConfigurationUpdate = { items: new Map(), stale: false };
    let retrying = false;
    const retry = async (): Promise<void> => {
      // One at a time: a file that can't be read wakes us too, again and again.
      if (retrying) return;
      retrying = true;
      try {
        await this.#clock.sleep(retryMs, AbortSignal.any([ended, done.signal]));
      } catch {
        return;
      }
      retrying = false;
      look();
    };
    const look = (): void => {
      try {
        last = { items: this.#read(keys), stale: false };
      } catch (error) {
        if (!last.stale) this.#log.warn({ err: error }, "settings can't be read; the last good ones stay in use");
        last = { ...last, stale: true };
        void retry();
      }
      updates.set(last);
    };
    const changes = this.#file.onChange(look);
    try {
      look();
      yield* updates.values(ended);
    } finally {
      done.abort();
      changes[Symbol.dispose]();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#file[Symbol.dispose]();
  }

  #read(keys: readonly string[]): Items {
    const rows = this.#file.all<{ key: string; value: string; version: number }>(
      "SELECT key, value, version FROM item WHERE ? OR key IN (SELECT value FROM json_each(?)) ORDER BY key",
      ...[keys.length === 0 ? 1 : 0, JSON.stringify(keys)],
    );
    return new Map(rows.map(({ key, value, version }) => [key, { value, version: String(version) }]));
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw new WeftError("UNAVAILABLE", "configuration is closed");
  }
}
