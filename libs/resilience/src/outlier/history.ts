/** How many calls an instance had and how many of them failed. */
export interface Tally {
  readonly calls: number;
  readonly failures: number;
}

/** Calls that are remembered one by one: bits of a number. */
export const rememberedCalls = 32;

/** What an instance did with its last calls. */
export class CallHistory {
  /** The newest call is the lowest bit, set when it failed. */
  #failed = 0;
  #calls = 0;
  #lastMs = -Infinity;
  #intervalCalls = 0;
  #intervalFailures = 0;

  /** @param keptMs after a silence of so long, what was before it is forgotten */
  add(failed: boolean, nowMs: number, keptMs: number): void {
    if (nowMs - this.#lastMs > keptMs) {
      this.#failed = 0;
      this.#calls = 0;
    }
    this.#failed = (this.#failed << 1) | (failed ? 1 : 0);
    this.#calls = Math.min(rememberedCalls, this.#calls + 1);
    this.#lastMs = nowMs;
    this.#intervalCalls += 1;
    if (failed) this.#intervalFailures += 1;
  }

  /** The last calls, 32 at most; none when the newest is older than `sinceMs`. */
  since(sinceMs: number): Tally {
    if (this.#lastMs < sinceMs) return { calls: 0, failures: 0 };
    return { calls: this.#calls, failures: ones(this.#failed) };
  }

  /** All calls since this was asked before. */
  endInterval(): Tally {
    const tally = { calls: this.#intervalCalls, failures: this.#intervalFailures };
    this.#intervalCalls = 0;
    this.#intervalFailures = 0;
    return tally;
  }

  clear(): void {
    this.#failed = 0;
    this.#calls = 0;
    this.endInterval();
  }
}

/** Standard errors that two shares must be apart: as they are compared again and again, chance has many tries. */
const certainty = 3.3;

/** Whether the one fails more than the others, by `gap` or more and by more than chance explains (a two-proportion z-test). */
export function isWorse(one: Tally, others: Tally, gap: number): boolean {
  const difference = one.failures / one.calls - others.failures / others.calls;
  if (difference <= 0 || difference < gap) return false;
  const share = (one.failures + others.failures) / (one.calls + others.calls);
  return difference >= certainty * Math.sqrt(share * (1 - share) * (1 / one.calls + 1 / others.calls));
}

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
