import type { Quota } from "./quota.ts";

/**
 * How much of a quota is used: a leaky bucket as a meter, also known as the generic cell rate algorithm in its form of a
 * continuous-state leaky bucket (ITU-T I.371, annex A).
 *
 * Each call pours in `windowMs`, each millisecond takes `count` out, and the bucket holds `count × windowMs`: with whole
 * milliseconds all of it is whole numbers below 2^53, so nothing is ever rounded.
 *
 * Laws, with time in whole milliseconds:
 * - `B1` Within any `t` milliseconds, at most `count + t × count / windowMs` calls are taken.
 * - `B2` Whoever is refused is taken after `waitMs`, and not a millisecond before.
 * - `B3` Whoever stays below the rate, `count` calls in `windowMs` evenly, is never refused.
 * - `B4` As many calls as `remaining` says are taken at once, and no more; after `resetMs` it is the whole quota again,
 *   and not a millisecond before.
 * - `B5` A clock that goes back takes nothing out.
 */
export interface Bucket {
  level: number;
  /** When the level was that, in milliseconds. */
  at: number;
}

/** What is in the bucket at a time. */
export function levelAt(bucket: Bucket, quota: Quota, nowMs: number): number {
  const passedMs = nowMs - bucket.at;
  return passedMs <= 0 ? bucket.level : Math.max(0, bucket.level - passedMs * quota.count);
}

/** Pours in what `calls` cost, whether there is room or not. */
export function pour(bucket: Bucket, quota: Quota, nowMs: number, calls = 1): void {
  bucket.level = levelAt(bucket, quota, nowMs) + calls * quota.windowMs;
  bucket.at = Math.max(bucket.at, nowMs);
}

/** How many calls there is room for. */
export function remaining(bucket: Bucket, quota: Quota, nowMs: number): number {
  const room = quota.count * quota.windowMs - levelAt(bucket, quota, nowMs);
  return Math.max(0, Math.floor(room / quota.windowMs));
}

/** Milliseconds until there is room for a call; 0 when there is. */
export function waitMs(bucket: Bucket, quota: Quota, nowMs: number): number {
  return drainMs(bucket, quota, nowMs, (quota.count - 1) * quota.windowMs);
}

/** Milliseconds until the whole quota is there; 0 when it is. */
export function resetMs(bucket: Bucket, quota: Quota, nowMs: number): number {
  return drainMs(bucket, quota, nowMs, 0);
}

/** Milliseconds until no more than `level` is in the bucket. */
function drainMs(bucket: Bucket, quota: Quota, nowMs: number, level: number): number {
  const over = levelAt(bucket, quota, nowMs) - level;
  return over <= 0 ? 0 : Math.ceil(over / quota.count) + Math.max(0, bucket.at - nowMs);
}

/** The same use under another quota: who had half of the old one left has half of the new one left. */
export function rescale(bucket: Bucket, from: Quota, to: Quota): void {
  bucket.level = Math.ceil((bucket.level / (from.count * from.windowMs)) * to.count * to.windowMs);
}
