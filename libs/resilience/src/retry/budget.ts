import { RollingShare } from "../rolling-share.ts";

/** How much a budget holds. */
export interface BudgetOptions {
  /** What each call pays in. */
  readonly share: number;
  /** What is there at the start, and the least that may be saved up. */
  readonly burst: number;
  /** What comes in with time alone, so that a caller of few calls may try again at all. */
  readonly perSecond: number;
}

/** What was paid in longer ago than this is lost, in milliseconds (Finagle's RetryBudget keeps 10 s, too). */
const keptMs = 10_000;

/**
 * Bounds retries to a share of calls, so that a struggling target is not drowned by the retries of its callers (Site
 * Reliability Engineering, 'Handling Overload': a retry budget of 10 % for each client). A token bucket: calls pay in, a
 * retry takes one out. It holds what the calls of the last ten seconds paid in, since the calls that were under way on
 * an instance that dies fail all at once.
 *
 * - B1 In any stretch of time at most `burst`, plus `perSecond` for each second, plus `share` of the calls made within it
 *   and in the ten seconds before are granted.
 * - B2 A budget from which nobody took for `1 / perSecond` seconds grants one.
 * - B3 A retry is granted while no more than `share` of the calls of the last ten seconds were granted one.
 */
export class RetryBudget {
  readonly #calls = new RollingShare(keptMs);
  #options: BudgetOptions;
  #tokens: number;
  #paidMs: number | undefined;

  constructor(options: BudgetOptions) {
    this.#options = options;
    this.#tokens = options.burst;
  }

  /** From now on. What is held already stays, up to the new bound. */
  configure(options: BudgetOptions): void {
    this.#options = options;
  }

  /** A call began. `nowMs`: monotonic milliseconds, never going back. */
  deposit(nowMs: number): void {
    this.#calls.add(nowMs, false);
    this.#pay(this.#options.share, nowMs);
  }

  /** Whether a retry may be made; takes it from the budget. */
  withdraw(nowMs: number): boolean {
    this.#pay(0, nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #pay(tokens: number, nowMs: number): void {
    const { share, burst, perSecond } = this.#options;
    const passedMs = nowMs - (this.#paidMs ?? nowMs);
    this.#paidMs = nowMs;
    // At least one fits, or time would pay into nothing.
    const most = Math.max(1, burst, share * this.#calls.count(nowMs));
    this.#tokens = Math.min(most, this.#tokens + tokens + (perSecond * passedMs) / 1000);
  }
}
