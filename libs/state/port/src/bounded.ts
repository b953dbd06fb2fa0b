import { type Clock, isWeftError, type Log, silentLog, systemClock, WeftError, withTimeout } from "@weft/kit";
import type { StateStore } from "./state.ts";

/** What a cache uses of a store. */
export type CacheStore = Pick<StateStore, "capabilities" | "get" | "set" | "delete">;

export interface BoundedStoreOptions {
  /** Longest time that a call may take, opening included, in milliseconds. Default 50. */
  readonly timeoutMs?: number;
  /** How long a store that failed is left alone, in milliseconds; then one call tries it. Default 1,000. */
  readonly pauseMs?: number;
  /** A line when the store is lost and one when it is back. Default: silent. */
  readonly log?: Log;
  readonly clock?: Clock;
}

/**
 * A store that nobody waits for, for what is merely faster with it: a call fails after a short time, and while the store
 * is away every call but one each second fails at once. `open` is asked at each use, so the store need not be there yet.
 * Any failure counts that is not about the key, the value or the etag.
 */
export function boundedStore(
  open: () => Promise<Omit<CacheStore, "capabilities">>,
  options: BoundedStoreOptions = {},
): CacheStore {
  const { timeoutMs = 50, pauseMs = 1000, log = silentLog, clock = systemClock } = options;
  /** Set while it is away: when the next call may try it, and whether there was a line about it. */
  let away: { readonly tryAt: number; readonly isTold: boolean } | undefined;

  async function use<T>(work: (store: Omit<CacheStore, "capabilities">) => Promise<T>): Promise<T> {
    const before = away;
    if (before !== undefined) {
      const now = clock.monotonic();
      if (now < before.tryAt) throw new WeftError("UNAVAILABLE", "the store is left alone after a failure");
      // Whoever comes while this one tries does not.
      away = { ...before, tryAt: now + pauseMs };
    }
    try {
      const result = await withTimeout(async () => work(await open()), { timeoutMs, what: "the store", clock });
      found();
      return result;
    } catch (error) {
      if (isWeftError(error, "INVALID_ARGUMENT", "ABORTED")) found();
      else lost(error, before !== undefined);
      throw error;
    }
  }

  function found(): void {
    if (away?.isTold === true) log.info({}, "the store of a cache is back");
    away = undefined;
  }

  function lost(err: unknown, isSecond: boolean): void {
    // The first may be a slip, and is worth no line; others that were under way with it are the same one.
    if (away === undefined) away = { tryAt: clock.monotonic() + pauseMs, isTold: false };
    if (!isSecond || away.isTold) return;
    away = { ...away, isTold: true };
    log.warn({ err }, "the store of a cache is away: nothing is cached");
  }

  return {
    capabilities: new Set(["ttl"]),
    get: (key) => use((store) => store.get(key)),
    set: (key, value, setOptions) => use((store) => store.set(key, value, setOptions)),
    delete: (key, deleteOptions) => use((store) => store.delete(key, deleteOptions)),
  };
}
