/** Bounds of the buckets grow by this factor: an estimate is at most 9 % too high. */
const bucketsPerDoubling = 8;
/** Upper bound of the first bucket, in milliseconds. */
const lowestMs = 0.1;
/** 0.1 ms to about 14 minutes. */
const buckets = 23 * bucketsPerDoubling;

/**
 * Quantiles of the times of the last while: a histogram with exponential buckets in two halves of the window, of which
 * the older one is dropped as a whole. Constant memory (1.5 KiB). Times are monotonic milliseconds.
 */
export class Latencies {
  readonly #halfMs: number;
  #current = new Uint32Array(buckets);
  #previous = new Uint32Array(buckets);
  #count = 0;
  #previousCount = 0;
  #half = 0;

  constructor(windowMs: number) {
    this.#halfMs = windowMs / 2;
  }

  add(nowMs: number, tookMs: number): void {
    this.#forget(nowMs);
    const at = bucketOf(tookMs);
    this.#current[at] = (this.#current[at] ?? 0) + 1;
    this.#count += 1;
  }

  /** How many times are within the window: its second half, and what there is of its first. */
  count(nowMs: number): number {
    this.#forget(nowMs);
    return this.#count + this.#previousCount;
  }

  /** The time that `share` of them kept within, in milliseconds: at most 9 % too high. 0 without any. */
  quantile(nowMs: number, share: number): number {
    const rank = Math.ceil(this.count(nowMs) * share);
    if (rank === 0) return 0;
    let seen = 0;
    for (let at = 0; at < buckets; at += 1) {
      seen += (this.#current[at] ?? 0) + (this.#previous[at] ?? 0);
      if (seen >= rank) return lowestMs * 2 ** (at / bucketsPerDoubling);
    }
    return lowestMs * 2 ** ((buckets - 1) / bucketsPerDoubling);
  }

  #forget(nowMs: number): void {
    const half = Math.floor(nowMs / this.#halfMs);
    if (half <= this.#half) return;
    const isNext = half === this.#half + 1;
    this.#half = half;
    const free = this.#previous.fill(0);
    if (isNext) {
      this.#previous = this.#current;
      this.#previousCount = this.#count;
      this.#current = free;
    } else {
      this.#previousCount = 0;
      this.#current.fill(0);
    }
    this.#count = 0;
  }
}

function bucketOf(tookMs: number): number {
  const at = Math.ceil(Math.log2(tookMs / lowestMs) * bucketsPerDoubling);
  return Math.max(0, Math.min(buckets - 1, at));
}
