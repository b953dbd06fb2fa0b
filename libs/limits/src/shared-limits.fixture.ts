import { ManualClock } from "@weft/kit";
import type { Decision, Quota } from "@weft/resilience";
import type { CacheStore } from "@weft/state";
import { freeQuota } from "./share.ts";
import { SharedLimiter, type SharedLimiterOptions } from "./shared-limiter.ts";

/** Processes that share limits, for tests. */
export interface Processes {
  readonly clock: ManualClock;
  readonly limiters: readonly SharedLimiter[];
  readonly told: readonly Decision[];
  /** Calls of all processes to the store. */
  readonly asked: () => number;
  /** From now on every call to the store fails so; undefined: it works again. */
  readonly breakStore: (error: Error | undefined) => void;
}

/** Opens a limiter for each store; all go by one clock. */
export function openProcesses(
  stores: readonly Pick<CacheStore, "get" | "set">[],
  options: Omit<SharedLimiterOptions, "store" | "service"> & { readonly clock?: ManualClock },
): Processes {
  const { clock = new ManualClock() } = options;
  const told: Decision[] = [];
  let asked = 0;
  let broken: Error | undefined;
  const watched = (store: Pick<CacheStore, "get" | "set">): CacheStore => {
    const count = (): void => {
      asked += 1;
      if (broken !== undefined) throw broken;
    };
    return {
      capabilities: new Set(["ttl"]),
      get: async (key) => (count(), store.get(key)),
      set: async (key, value, setOptions) => (count(), store.set(key, value, setOptions)),
      delete: async () => {},
    };
  };
  const onDecision = (decision: Decision): void => void told.push(decision);
  return {
    clock,
    told,
    asked: () => asked,
    breakStore: (error) => void (broken = error),
    limiters: stores.map(
      (store) => new SharedLimiter({ ...options, store: watched(store), service: "gateway", onDecision, clock }),
    ),
  };
}

/** How many of `calls` calls at once are taken. */
export async function takeOf(limiter: SharedLimiter, calls: number, key = "k", limit = "a"): Promise<number> {
  const deciding = Array.from({ length: calls }, async () => limiter.take([{ limit, key }]));
  return (await Promise.all(deciding)).filter(({ admitted }) => admitted).length;
}

/** Calls that were taken, and when. */
export interface Taken {
  readonly atMs: number;
  readonly calls: number;
}

/** By how many calls the busiest interval was above what law S2 allows; negative where it was not. */
export function overshoot(
  taken: readonly Taken[],
  { quota, processes, leaseMs }: { readonly quota: Quota; readonly processes: number; readonly leaseMs: number },
): number {
  const free = freeQuota(quota);
  const atOnce = quota.count + processes * free.count;
  const perMs = (quota.count + processes * free.count) / quota.windowMs;
  const lent = (leaseMs * quota.count) / quota.windowMs;
  let most = Number.NEGATIVE_INFINITY;
  taken.forEach(({ atMs: from }, first) => {
    let calls = 0;
    for (const { atMs, calls: more } of taken.slice(first)) {
      calls += more;
      most = Math.max(most, calls - (atOnce + lent + (atMs - from) * perMs));
    }
  });
  return most;
}
