/** How the limit is found; plain values. */
export interface ConcurrencyOptions {
  /** The limit never falls below this: so few wait for each other without harm. Default 40. */
  readonly minLimit?: number;
  /** And never rises above this: what a process takes while all is well. Default 10,000. */
  readonly maxLimit?: number;
  /** How many times its usual time a call may take before that counts as queueing. At least 1.3, default 2. */
  readonly tolerance?: number;
  /** Queueing that nobody minds, in milliseconds, on top of that. Default 50. */
  readonly toleratedMs?: number;
}

/** {@link ConcurrencyOptions} in full. */
export type ConcurrencySettings = Required<ConcurrencyOptions>;

export const concurrencyDefaults: ConcurrencySettings = {
  minLimit: 40,
  maxLimit: 10_000,
  tolerance: 2,
  toleratedMs: 50,
};

/** A window closes after this many milliseconds and samples, whichever is later. */
const windowMs = 50;
const windowSamples = 10;
/** Fewer calls than that in so long, and none refused or none in flight any more, are no overload. */
const idleMs = 2_000;
/** Windows in a row that have to be slow before the first call is refused: one may be a stall of the machine. */
const slowWindows = 3;
/** Expected by measured latency from which on a limit is raised: what it does shows only a moment later. */
const roomFrom = 1.2;
/** With less than that, calls that take their usual time would hardly ever show room, and a limit would never rise. */
export const leastTolerance = 1.3;
/** Share of the way that the usual time falls in a window with faster calls. */
const fall = 0.3;
/** Time constant of its rise, in milliseconds: load that builds up must not pass for the usual. */
const riseMs = 60_000;
/** Windows at the lowest limit after which what is measured is the usual time, and how often that is looked for. */
const quietWindows = 3;
const probeMs = 30_000;

/** What is known of a method's calls. */
class MethodTime {
  /** Mean time without queueing, in milliseconds; undefined before the first window. */
  usualMs: number | undefined;
  sumMs = 0;
  count = 0;
}

/**
 * How many calls a process may have in flight, found from their latency. Calls that take longer than usual wait for
 * each other, so there are too many: the limit is set to what is in flight, times expected by measured latency (the
 * gradient of Netflix's concurrency-limits, `Gradient2Limit`,
 * https://github.com/Netflix/concurrency-limits; the search for the latency without load is that of Envoy's gradient
 * controller, https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/adaptive_concurrency_filter).
 *
 * What differs: expectations are each method's own and summed over a window, so that a change in the mix of fast and
 * slow methods is no change of latency. And a limit that nobody reaches is large: it is brought down from what is really
 * in flight, so it need not be small beforehand, and a burst of quick calls is never refused.
 *
 * - L1 The limit is never outside of its bounds.
 * - L2 While no three windows in a row are slower than tolerated, whatever comes is taken.
 * - L3 Under lasting overload the time of the calls taken stays near what is tolerated, however many come; unless the
 *   lowest limit is more than that allows.
 * - L4 And the process is not idle meanwhile: it answers as many as it can.
 * - L5 When the overload is over, so is the limit, within two seconds.
 * - L6 A different mix of methods changes nothing.
 * - L7 A target that has become slow for good is limited for a moment only, unless the process itself is busy.
 *
 * Milliseconds of a monotonic clock. No timers: windows close when calls end.
 */
export class ConcurrencyLimiter {
  readonly #isSaturated: () => boolean;
  readonly #methods = new Map<string, MethodTime>();
  #settings: ConcurrencySettings;
  #limit: number;
  #inFlight = 0;
  #slow = 0;
  #quiet = 0;
  #measuredMs = 0;
  // The window
  #openedMs = 0;
  #seenMs = 0;
  #expectedMs = 0;
  #samples = 0;
  #peak = 0;
  #refused = false;

  /** @param isSaturated whether the process has no time to spare, so that calls are slow by its own doing */
  constructor(settings: ConcurrencySettings = concurrencyDefaults, isSaturated: () => boolean = () => false) {
    this.#settings = settings;
    this.#isSaturated = isSaturated;
    this.#limit = settings.maxLimit;
  }

  /** Calls that may be in flight now; a fraction counts when shares of it are taken. */
  get limit(): number {
    return this.#limit;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Whether latency has brought the limit down. */
  get limiting(): boolean {
    return this.#limit < this.#settings.maxLimit;
  }

  /** Takes other settings from now on; what was measured stays. */
  configure(settings: ConcurrencySettings): void {
    const wasLimiting = this.limiting;
    this.#settings = settings;
    this.#limit = wasLimiting ? this.#bounded(this.#limit) : settings.maxLimit;
  }

  /** Whether there is room for one more within a share of the limit. */
  hasRoom(share: number, nowMs: number): boolean {
    if (nowMs - this.#openedMs > idleMs && (!this.#refused || this.#inFlight === 0)) {
      this.#limit = this.#settings.maxLimit;
      this.#open(nowMs);
    }
    if (this.#inFlight < this.#limit * share) return true;
    this.#refused = true;
    return false;
  }

  /** A call has begun. */
  begin(): void {
    this.#inFlight += 1;
    if (this.#inFlight > this.#peak) this.#peak = this.#inFlight;
  }

  /** A call has ended, whatever became of it. */
  end(): void {
    this.#inFlight -= 1;
  }

  /**
   * What a call took.
   *
   * @param tookMs since work on it began
   * @param isComplete false for one that was given up: it would have taken at least as long
   */
  measure(method: string, tookMs: number, nowMs: number, isComplete = true): void {
    let time = this.#methods.get(method);
    if (time === undefined) this.#methods.set(method, (time = new MethodTime()));
    const { tolerance, toleratedMs } = this.#settings;
    const expectedMs = (time.usualMs === undefined ? tookMs : time.usualMs * tolerance) + toleratedMs;
    if (!isComplete && tookMs <= expectedMs) return;
    time.sumMs += tookMs;
    time.count += 1;
    this.#seenMs += tookMs;
    this.#expectedMs += expectedMs;
    this.#samples += 1;
    if (this.#samples >= windowSamples && nowMs - this.#openedMs >= windowMs) this.#close(nowMs);
  }

  #close(nowMs: number): void {
    const { minLimit } = this.#settings;
    const gradient = this.#expectedMs / this.#seenMs;
    const isSlow = gradient < 1;
    this.#slow = isSlow ? this.#slow + 1 : 0;
    this.#quiet = this.limiting && this.#peak <= minLimit ? this.#quiet + 1 : 0;
    const isQuiet = this.#quiet >= quietWindows;
    this.#learn({ isQuiet, isCalm: !isSlow && !this.#refused, elapsedMs: nowMs - this.#openedMs });
    if (isQuiet || !this.limiting) this.#measuredMs = nowMs;
    if (isQuiet) this.#quiet = 0;

    if (isSlow) {
      // One that is far from being reached says nothing yet, as if there were none.
      const isReached = this.#refused || (this.limiting && this.#peak * 2 > this.#limit);
      if (isReached || this.#slow >= slowWindows) {
        // Never by more than half at once: a window may mislead.
        this.#limit = this.#bounded(Math.max(0.5, gradient) * Math.min(this.#limit, this.#peak));
      }
    } else if (gradient >= roomFrom) {
      // A limit that holds is tried out step by step; one that nobody reaches may as well be far away.
      const next = this.#refused ? this.#limit + Math.max(1, Math.sqrt(this.#limit) / 2) : this.#limit * 1.2;
      this.#limit = this.#bounded(next);
    }
    if (this.limiting && nowMs - this.#measuredMs >= probeMs) this.#limit = minLimit;
    this.#open(nowMs);
  }

  #learn(window: { readonly isQuiet: boolean; readonly isCalm: boolean; readonly elapsedMs: number }): void {
    const isSaturated = this.#isSaturated();
    for (const time of this.#methods.values()) {
      if (time.count === 0) continue;
      const meanMs = time.sumMs / time.count;
      time.usualMs ??= meanMs;
      const awayMs = meanMs - time.usualMs;
      if (awayMs < 0) time.usualMs += awayMs * (window.isQuiet ? 1 : fall);
      else if (isSaturated) continue;
      else if (window.isQuiet) time.usualMs = meanMs;
      else if (window.isCalm) time.usualMs += awayMs * Math.min(1, window.elapsedMs / riseMs);
    }
  }

  #open(nowMs: number): void {
    this.#openedMs = nowMs;
    this.#seenMs = 0;
    this.#expectedMs = 0;
    this.#samples = 0;
    this.#peak = this.#inFlight;
    this.#refused = false;
    for (const time of this.#methods.values()) {
      time.sumMs = 0;
      time.count = 0;
    }
  }

  #bounded(limit: number): number {
    const { minLimit, maxLimit } = this.#settings;
    return Math.max(minLimit, Math.min(maxLimit, limit));
  }
}
