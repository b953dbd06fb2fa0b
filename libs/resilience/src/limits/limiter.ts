import { type Bucket, pour, remaining, rescale, resetMs, waitMs } from "./bucket.ts";
import type { Quota } from "./quota.ts";
import { RecentKeys } from "./recent-keys.ts";

/** One limit that a call draws from, and whose share of it. */
export interface Draw {
  /** Name of the limit. One that is not configured limits nothing. */
  readonly limit: string;
  /** Whom the call counts for: each key has the whole quota. */
  readonly key: string;
}

/** How a limit stands after a call was taken or refused. */
export interface Standing {
  readonly limit: string;
  readonly quota: Quota;
  /** Calls that would be taken now. */
  readonly remaining: number;
  /** Milliseconds until the whole quota is there again. */
  readonly resetMs: number;
}

/** What becomes of a call. */
export type Verdict =
  /** `standing` is that of the first draw; undefined where nothing limits the call. */
  | { readonly admitted: true; readonly standing: Standing | undefined }
  /** `standing` is that of the limit that refused. */
  | { readonly admitted: false; readonly standing: Standing; readonly retryAfterMs: number };

export interface LimiterOptions {
  readonly quotas: Readonly<Record<string, Quota>>;
  /** Keys of each limit that are kept at most. Default 20,000, about 2 MB. */
  readonly maxKeys?: number;
}

interface Limit {
  quota: Quota;
  readonly buckets: RecentKeys<{ readonly bucket: Bucket; quota: Quota }>;
}

/**
 * Limits on the rate of calls, by key. Time is passed in, in whole milliseconds of a clock that never goes back.
 *
 * Laws, beside those of `Bucket` for each key:
 * - `L1` A call is taken when every limit that it draws from has room, and counts in each; a refused one counts in none.
 * - `L2` Keys don't touch each other.
 * - `L3` No more than `maxKeys` keys of a limit are kept, and those that are not used are forgotten. A key that others push
 *   out while it is in use gains one call by it, at the price of `maxKeys / 2` calls for other keys; a new key has one
 *   call and then the rate, instead of the whole quota, while that may have happened.
 * - `L4` A new quota gives nobody a new start: what share of the old one was used is used of the new one.
 */
export class Limiter {
  readonly #maxKeys: number;
  readonly #limits = new Map<string, Limit>();

  constructor({ quotas, maxKeys = 20_000 }: LimiterOptions) {
    this.#maxKeys = maxKeys;
    this.configure(quotas);
  }

  /** From now on these are the limits. */
  configure(quotas: Readonly<Record<string, Quota>>): void {
    for (const name of this.#limits.keys()) if (!Object.hasOwn(quotas, name)) this.#limits.delete(name);
    for (const [name, quota] of Object.entries(quotas)) {
      const before = this.#limits.get(name);
      // A bucket is empty at the latest when its window has passed, so one that idles for longer is as good as none.
      const idleMs = Math.max(quota.windowMs, before?.quota.windowMs ?? 0);
      const buckets = before?.buckets ?? new RecentKeys({ maxKeys: this.#maxKeys, idleMs });
      buckets.idleMs = idleMs;
      this.#limits.set(name, { quota, buckets });
    }
  }

  /** The quota of a limit; undefined where there is none. */
  quotaOf(limit: string): Quota | undefined {
    return this.#limits.get(limit)?.quota;
  }

  /** What `take` would say, with nothing taken yet. */
  check(draws: readonly Draw[], nowMs: number): Verdict {
    let first: Standing | undefined;
    for (const { limit: name, key } of draws) {
      const limit = this.#limits.get(name);
      if (limit === undefined) continue;
      const bucket = this.#bucketOf(limit, key, nowMs);
      const standing = standingOf(name, limit.quota, bucket, nowMs);
      if (standing.remaining === 0) {
        return { admitted: false, standing, retryAfterMs: waitMs(bucket, limit.quota, nowMs) };
      }
      first ??= standing;
    }
    return { admitted: true, standing: first };
  }

  /** Takes a call, or refuses it. */
  take(draws: readonly Draw[], nowMs: number): Verdict {
    const verdict = this.check(draws, nowMs);
    return verdict.admitted ? { admitted: true, standing: this.count(draws, nowMs) } : verdict;
  }

  /** Counts a call that `check` has just let through. How the first limit stands then. */
  count(draws: readonly Draw[], nowMs: number): Standing | undefined {
    let first: Standing | undefined;
    for (const { limit: name, key } of draws) {
      const limit = this.#limits.get(name);
      if (limit === undefined) continue;
      const bucket = this.#bucketOf(limit, key, nowMs);
      pour(bucket, limit.quota, nowMs);
      first ??= standingOf(name, limit.quota, bucket, nowMs);
    }
    return first;
  }

  /** The bucket of a key; a new one is kept. */
  #bucketOf({ quota, buckets }: Limit, key: string, nowMs: number): Bucket {
    const known = buckets.get(key, nowMs);
    if (known === undefined) {
      const level = buckets.crowded(nowMs) ? (quota.count - 1) * quota.windowMs : 0;
      const bucket = { level, at: nowMs };
      buckets.set(key, { bucket, quota }, nowMs);
      return bucket;
    }
    if (known.quota !== quota) {
      rescale(known.bucket, known.quota, quota);
      known.quota = quota;
    }
    return known.bucket;
  }
}

function standingOf(limit: string, quota: Quota, bucket: Bucket, nowMs: number): Standing {
  return { limit, quota, remaining: remaining(bucket, quota, nowMs), resetMs: resetMs(bucket, quota, nowMs) };
}
