import { type Bucket, pour, type Quota, remaining } from "@weft/resilience";
import type { Borrowed, Stored } from "./borrow.ts";

/** What a process asks for at first. */
const firstWant = 10;

/** What every process may take without asking anybody: 2 % of the quota, at least one call in a window. */
export function freeQuota({ count, windowMs }: Quota): Quota {
  return { count: Math.max(1, Math.floor(count / 50)), windowMs };
}

/** What one process may take of one key's quota by itself: its free part, and the calls that it has borrowed. */
export class Share {
  readonly #quota: Quota;
  readonly #freeQuota: Quota;
  readonly #free: Bucket;
  /** Borrowed calls that are left, out of how many, and until when they are good. */
  #left = 0;
  #borrowed = 0;
  #goodUntilMs = Number.NEGATIVE_INFINITY;
  #emptyUntilMs = Number.NEGATIVE_INFINITY;
  stored: Stored | undefined;
  /** Calls that wait for what is being borrowed. */
  waiting = 0;
  /** Resolves when the store has answered, or failed to. */
  asking: Promise<void> | undefined;

  /** @param isCrowded an earlier share of this key may have been forgotten: then nothing is free at first */
  constructor(quota: Quota, nowMs: number, isCrowded: boolean) {
    this.#quota = quota;
    this.#freeQuota = freeQuota(quota);
    this.#free = { level: isCrowded ? this.#freeQuota.count * quota.windowMs : 0, at: nowMs };
  }

  /** Whether a call can be taken with nobody asked. */
  has(nowMs: number): boolean {
    return (this.#left > 0 && nowMs < this.#goodUntilMs) || remaining(this.#free, this.#freeQuota, nowMs) > 0;
  }

  /** Takes a call that it has. */
  take(nowMs: number): void {
    if (this.#left > 0 && nowMs < this.#goodUntilMs) this.#left -= 1;
    else pour(this.#free, this.#freeQuota, nowMs);
  }

  /** Milliseconds until it makes sense to ask the store: 0 unless it had nothing. */
  emptyMs(nowMs: number): number {
    return Math.max(0, this.#emptyUntilMs - nowMs);
  }

  /**
   * How many calls to borrow: twice as many as last time when those were used up, as many as were used when they were
   * not; at most a twentieth of the quota beyond those that wait.
   */
  want(): number {
    const most = Math.max(1, Math.ceil(this.#quota.count / 20));
    const next =
      this.#borrowed === 0
        ? firstWant
        : this.#left === 0
          ? 2 * this.#borrowed
          : Math.max(1, this.#borrowed - this.#left);
    return Math.max(Math.min(next, most), this.waiting);
  }

  /** Calls were borrowed, or there were none. Those of before are void. */
  receive({ calls, waitMs, stored }: Borrowed, times: { readonly nowMs: number; readonly goodUntilMs: number }): void {
    this.stored = stored;
    if (calls === 0) {
      this.#emptyUntilMs = times.nowMs + waitMs;
      return;
    }
    this.#left = this.#borrowed = calls;
    this.#goodUntilMs = times.goodUntilMs;
  }

  /** How many calls are left of the whole quota, as far as this process knows. `wallMs` is of the store's buckets. */
  remaining(nowMs: number, wallMs: number): number {
    if (this.stored === undefined) return this.#quota.count;
    const own = nowMs < this.#goodUntilMs ? this.#left : 0;
    return remaining(this.stored.bucket, this.#quota, wallMs) + own;
  }
}
