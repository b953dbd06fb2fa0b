/**
 * Bounds retries to a share of calls, so that a struggling target is not drowned by the retries of its callers
 * (Site Reliability Engineering, 'Handling Overload': a retry budget of 10 % for each client).
 */
export class RetryBudget {
  readonly #share: number;
  readonly #most: number;
  #tokens: number;

  /** @param share retries for each call, default 0.1; @param burst retries that are free at the start, default 10 */
  constructor({ share = 0.1, burst = 10 }: { readonly share?: number; readonly burst?: number } = {}) {
    this.#share = share;
    this.#most = burst * 10;
    this.#tokens = burst;
  }

  /** A call began. */
  deposit(): void {
    if (this.#tokens < this.#most) this.#tokens += this.#share;
  }

  /** Whether a retry may be made; takes it from the budget. */
  withdraw(): boolean {
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }
}
