/** Lower end and width of the buckets: a quantile is right to 2 %. */
const leastMs = 0.05;
const step = Math.log(1.02);
/** Up to about a minute; what is longer counts as that. */
const bucketCount = 710;

/** Times of calls in buckets that grow by 2 %: bounded, however many there are. */
export class Histogram {
  readonly #counts = new Uint32Array(bucketCount);
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(ms: number, count = 1): void {
    const bucket = ms <= leastMs ? 0 : Math.min(bucketCount - 1, Math.ceil(Math.log(ms / leastMs) / step));
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    this.#total += count;
  }

  merge(other: Histogram): void {
    // Run through for every sliding window: an iterator of pairs would take ten times as long.
    for (let bucket = 0; bucket < bucketCount; bucket += 1) {
      const count = other.#counts[bucket] ?? 0;
      if (count > 0) this.#counts[bucket] = (this.#counts[bucket] ?? 0) + count;
    }
    this.#total += other.#total;
  }

  /** The least time that a share `q` of all stays within, in milliseconds; NaN of none. */
  quantile(q: number): number {
    if (this.#total === 0) return Number.NaN;
    const rank = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    const bucket = this.#counts.findIndex((count) => (seen += count) >= rank);
    return leastMs * Math.exp(bucket * step);
  }

  /** Pairs of time and count, for another process. */
  toJSON(): readonly (readonly [ms: number, count: number])[] {
    const all = [...this.#counts.entries()].filter(([, count]) => count > 0);
    // In the middle of the bucket, so that rounding puts it there again.
    return all.map(([bucket, count]) => [leastMs * Math.exp((bucket - 0.5) * step), count]);
  }
}

/** What {@link Windows.toJSON} gives. */
export type WindowsJson = readonly (readonly [window: number, times: readonly (readonly [number, number])[]])[];

/** Histograms of calls by when they began, in windows of equal width. */
export class Windows {
  /** Of one window, in milliseconds. */
  static readonly widthMs = 100;
  /** An hour of them; what comes later counts to the last. */
  static readonly #most = 36_000;
  readonly #windows = new Map<number, Histogram>();

  static from(json: WindowsJson): Windows {
    const windows = new Windows();
    for (const [window, times] of json) {
      for (const [ms, count] of times) windows.#at(window).add(ms, count);
    }
    return windows;
  }

  /** A call that began at `atMs` (from the beginning of the run) took `tookMs`. */
  add(atMs: number, tookMs: number): void {
    this.#at(Math.min(Windows.#most - 1, Math.max(0, Math.floor(atMs / Windows.widthMs)))).add(tookMs);
  }

  /** Those alone whose beginning is told to count. */
  where(counts: (atMs: number) => boolean): Windows {
    const some = new Windows();
    for (const [window, histogram] of this.#windows) {
      if (counts(window * Windows.widthMs)) some.#windows.set(window, histogram);
    }
    return some;
  }

  merge(other: Windows): void {
    for (const [window, histogram] of other.#windows) this.#at(window).merge(histogram);
  }

  /** Of all whole windows from one moment to another. */
  between(fromMs: number, toMs: number): Histogram {
    const sum = new Histogram();
    for (const histogram of this.#within(fromMs, toMs)) sum.merge(histogram);
    return sum;
  }

  /** How many calls those hold. */
  countBetween(fromMs: number, toMs: number): number {
    let count = 0;
    for (const { total } of this.#within(fromMs, toMs)) count += total;
    return count;
  }

  toJSON(): WindowsJson {
    return [...this.#windows].map(([window, histogram]) => [window, histogram.toJSON()]);
  }

  *#within(fromMs: number, toMs: number): Iterable<Histogram> {
    const end = Math.floor(toMs / Windows.widthMs);
    for (let window = Math.ceil(fromMs / Windows.widthMs); window < end; window += 1) {
      const histogram = this.#windows.get(window);
      if (histogram !== undefined) yield histogram;
    }
  }

  #at(window: number): Histogram {
    let histogram = this.#windows.get(window);
    if (histogram === undefined) this.#windows.set(window, (histogram = new Histogram()));
    return histogram;
  }
}
