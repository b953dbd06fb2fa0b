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
 * - `C1` What any process set is read as it was set; a missing key is left out of the answer.
 * - `C2` A watcher gets the present items at once, and a change within 1 s, removed keys included; nothing else. A watch ends without error when its signal aborts or the store is disposed.
 * - `C3` A watcher that loses the store keeps the last good items and says `stale`; it recovers by itself.
 * - `C4` A write changes the version; versions are opaque. A key that was removed and set again has a new one.
 * - `C5` A bad key is `INVALID_ARGUMENT`.
 */
export interface ConfigurationStore extends AsyncDisposable {
  /** The items of these keys; no keys means all. `UNAVAILABLE` when the store can't be reached. */
  get(keys: readonly string[]): Promise<ReadonlyMap<string, ConfigurationItem>>;
  /** The newest update only if the reader is slow. Ends without error when `signal` aborts or the store is disposed. No keys means all. */
  watch(keys: readonly string[], signal: AbortSignal): AsyncIterable<ConfigurationUpdate>;
  /** Undefined removes the key, if it is there. `INVALID_ARGUMENT` for an empty key or one over 512 characters. */
  set(key: string, value: string | undefined): Promise<void>;
}
