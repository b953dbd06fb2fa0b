import { type Clock, orAborted, systemClock, WeftError } from "@weft/kit";
import type { CacheStore } from "./bounded.ts";

export interface CacheOptions<T> {
  readonly store: CacheStore;
  /** Goes before every key. */
  readonly prefix: string;
  /** How long a value is fresh, in milliseconds. Each entry's is up to a tenth shorter, so that they don't end together. */
  readonly ttlMs: number;
  /** How long after that a value is still given while a fresh one is loaded, in milliseconds. Default 0. */
  readonly staleMs?: number;
  /** How long `undefined` is remembered, in milliseconds. Default 0: not at all. */
  readonly negativeTtlMs?: number;
  /** Loads in this process at the same time; a further one is `RESOURCE_EXHAUSTED`. Default 1,000. */
  readonly maxLoads?: number;
  readonly encode: (value: T) => Uint8Array;
  readonly decode: (bytes: Uint8Array) => T;
  /** Hears of a store that failed or of an entry that can't be read, and of a load behind a stale value that failed. Default: nobody. */
  readonly onError?: (error: unknown) => void;
  readonly clock?: Clock;
  /** A number in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/**
 * What is loaded seldom and read often. A store that fails costs loads, never an answer; `boundedStore` keeps
 * one that hangs from costing time.
 *
 * The entries are in the store alone, and nothing is kept in the process: so every node that shares the store hears of an
 * invalidation by its next `get`.
 */
export interface Cache<T> {
  /**
   * The cached value, or the loaded one. Of many calls for a key in this process, one loads and all get what it got.
   * Aborting the signal ends the call with its reason. The load goes on while another call waits for it.
   */
  get(key: string, load: Loader<T>, signal?: AbortSignal): Promise<T | undefined>;
  /**
   * The next `get` in any process loads. A load that is under way in this process is not stored any more; one in another
   * process is, and lives until its TTL. Rejects when the store did not hear of it: then the entry lives on too.
   */
  invalidate(key: string): Promise<void>;
}

/** Gets a value, undefined where there is none. The signal is aborted when all who wait for it have given up. */
export type Loader<T> = (signal: AbortSignal) => Promise<T | undefined>;

interface Entry<T> {
  readonly value: T | undefined;
  /** Milliseconds since the epoch. */
  readonly freshUntil: number;
}

interface Loading<T> {
  readonly result: Promise<T | undefined>;
  readonly abandoned: AbortController;
  /** Calls that have not given up. */
  waiting: number;
}

const headerBytes = 9;

/** A read-through cache in a store with the capability `ttl`; bounded by what the store's entries live. */
export function createCache<T>(options: CacheOptions<T>): Cache<T> {
  const { store, prefix, ttlMs, staleMs = 0, negativeTtlMs = 0, maxLoads = 1000, encode, decode } = options;
  const { clock = systemClock, random = Math.random, onError = () => {} } = options;
  if (!store.capabilities.has("ttl")) throw new WeftError("UNIMPLEMENTED", "a cache needs a store with ttl");
  const loads = new Map<string, Loading<T>>();

  return { get, invalidate };

  async function get(key: string, load: Loader<T>, signal?: AbortSignal): Promise<T | undefined> {
    // Not with a stale value at hand: that is looked up first, below, and costs less than the wait.
    if (loads.has(key) && staleMs === 0) return refresh(key, load, signal);
    const entry = await orAborted(read(key), signal);
    if (entry === undefined) return refresh(key, load, signal);
    // A load that fails behind a stale value is heard of, and tried again by the next call.
    if (entry.freshUntil <= clock.now()) refresh(key, load).catch(onError);
    return entry.value;
  }

  async function invalidate(key: string): Promise<void> {
    loads.delete(key);
    await store.delete(prefix + key);
  }

  /** Waits for the load that is under way, or for a new one. The last to give up ends it. */
  async function refresh(key: string, load: Loader<T>, signal?: AbortSignal): Promise<T | undefined> {
    const loading = loads.get(key) ?? begin(key, load);
    loading.waiting += 1;
    try {
      return await orAborted(loading.result, signal);
    } finally {
      loading.waiting -= 1;
      if (loading.waiting === 0 && signal?.aborted === true) {
        // Who comes now must not wait for what has been given up.
        if (loads.get(key) === loading) loads.delete(key);
        loading.abandoned.abort(signal.reason);
      }
    }
  }

  function begin(key: string, load: Loader<T>): Loading<T> {
    if (loads.size >= maxLoads) throw new WeftError("RESOURCE_EXHAUSTED", "too many values are being loaded");
    const abandoned = new AbortController();
    const isCurrent = (): boolean => loads.get(key) === loading;
    const result = loadAndWrite(key, () => load(abandoned.signal), isCurrent).finally(() => {
      if (isCurrent()) loads.delete(key);
    });
    const loading: Loading<T> = { result, abandoned, waiting: 0 };
    loads.set(key, loading);
    return loading;
  }

  async function loadAndWrite(
    key: string,
    load: () => Promise<T | undefined>,
    isCurrent: () => boolean,
  ): Promise<T | undefined> {
    // A turn later, so that `isCurrent` knows this load.
    await Promise.resolve();
    const value = await load();
    const freshMs = Math.ceil((value === undefined ? negativeTtlMs : ttlMs) * (1 - random() / 10));
    if (freshMs > 0 && isCurrent()) {
      const keptMs = value === undefined ? freshMs : freshMs + staleMs;
      try {
        await store.set(prefix + key, pack({ value, freshUntil: clock.now() + freshMs }), { ttlMs: keptMs });
      } catch (error) {
        onError(error);
      }
    }
    return value;
  }

  async function read(key: string): Promise<Entry<T> | undefined> {
    try {
      const stored = await store.get(prefix + key);
      return stored && unpack(stored.value);
    } catch (error) {
      onError(error);
      return undefined;
    }
  }

  /** One byte says whether there is a value, eight until when it is fresh, the rest is the value. */
  function pack({ value, freshUntil }: Entry<T>): Uint8Array {
    const header = Buffer.alloc(headerBytes);
    header.writeUInt8(value === undefined ? 0 : 1, 0);
    header.writeDoubleBE(freshUntil, 1);
    return value === undefined ? header : Buffer.concat([header, encode(value)]);
  }

  function unpack(bytes: Uint8Array): Entry<T> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const freshUntil = buffer.readDoubleBE(1);
    return { freshUntil, value: buffer.readUInt8(0) === 0 ? undefined : decode(buffer.subarray(headerBytes)) };
  }
}
