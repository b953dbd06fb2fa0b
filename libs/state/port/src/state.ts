/** What a store can do beyond single keys. */
export type StateCapability = "transactions" | "ttl" | "ranges";

/** A value with its version. */
export interface StateEntry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Opaque; changes with every write. */
  readonly etag: string;
}

export interface SetOptions {
  /** Write only over this version. `ETAG_MISMATCH` otherwise, also when the key is missing. */
  readonly etag?: string;
  /** Write only where nothing is. `ETAG_MISMATCH` otherwise. */
  readonly ifAbsent?: boolean;
  /** Milliseconds until the entry is gone; at least 1. Unset keeps it for good. */
  readonly ttlMs?: number;
}

export type StateOperation =
  | ({ readonly kind: "set"; readonly key: string; readonly value: Uint8Array } & SetOptions)
  | { readonly kind: "delete"; readonly key: string; readonly etag?: string };

export interface RangeOptions {
  readonly prefix: string;
  /** Only keys after this one in the order asked for. */
  readonly after?: string;
  /** 1 to 1,000. */
  readonly limit: number;
  /** Descending by key. Default ascending. */
  readonly reverse?: boolean;
}

/**
 * Building block: keyed state.
 *
 * Keys are 1 to 1,024 bytes of UTF-8, values at most 8 MiB: `INVALID_ARGUMENT` and `PAYLOAD_TOO_LARGE` otherwise.
 *
 * Laws:
 * - `S1` A missing key reads as undefined; deleting it succeeds and does nothing.
 * - `S2` Every write changes the etag; an etag is never given twice for one key, also not after a delete.
 * - `S3` A write or delete with an etag succeeds only over that version (`ETAG_MISMATCH`); an etag of a form the store never gave is `INVALID_ETAG`.
 * - `S4` Of many writers with `ifAbsent`, or with the same etag, exactly one succeeds.
 * - `S5` An entry is not seen from its TTL on; a write without a TTL removes an older one's.
 * - `S6` A transaction happens as a whole or not at all, its preconditions included.
 * - `S7` `range` goes by the bytes of the keys and sees no expired entry.
 * - `S8` What a resolved write stored is read back by every process, also after a crash of the writer.
 * - `S9` An undeclared capability answers `UNIMPLEMENTED`.
 */
export interface StateStore extends AsyncDisposable {
  readonly capabilities: ReadonlySet<StateCapability>;
  get(key: string): Promise<StateEntry | undefined>;
  /** In the order of `keys`. */
  getMany(keys: readonly string[]): Promise<readonly (StateEntry | undefined)[]>;
  /** The new etag. */
  set(key: string, value: Uint8Array, options?: SetOptions): Promise<string>;
  delete(key: string, options?: { readonly etag?: string }): Promise<void>;
  /** At most 1,000 operations, each on another key. */
  transaction(operations: readonly StateOperation[]): Promise<void>;
  range(options: RangeOptions): Promise<readonly StateEntry[]>;
}
