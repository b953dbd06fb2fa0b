/** A setting as the store holds it. */
export interface ConfigurationItem {
  readonly value: string;
  /** Opaque; changes with every write. */
  readonly version: string;
}

export interface ConfigurationUpdate {
  /** All watched keys that exist. */
  readonly items: ReadonlyMap<string, ConfigurationItem>;
  /** True while the store can't be reached and `items` are the last good ones. */
  readonly stale: boolean;
}

/**
 * Building block: settings that may change while a process runs.
 *
 * Laws:
 * - `C1` A missing key is left out of the answer.
 * - `C2` A watcher gets the present items at once, and a change within 1 s, removed keys included.
 * - `C3` A watcher that loses the store keeps the last good items and says `stale`; it recovers by itself.
 * - `C4` A write changes the version; versions are opaque.
 */
export interface ConfigurationStore extends AsyncDisposable {
  get(keys: readonly string[]): Promise<ReadonlyMap<string, ConfigurationItem>>;
  /** Ends without error when `signal` aborts. No keys means all. */
  watch(keys: readonly string[], signal: AbortSignal): AsyncIterable<ConfigurationUpdate>;
  /** Undefined removes the key. */
  set(key: string, value: string | undefined): Promise<void>;
}
