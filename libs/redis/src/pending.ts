import type { Clock } from "@weft/kit";

/** A call on its way, which can be ended before its answer. */
export interface Rejectable {
  reject(error: Error): void;
}

/** Looks per deadline: a call may take a tenth longer. */
const looks = 10;

/**
 * The calls under way, oldest first, each of which ends by its deadline. One timer for all: the timers that ioredis sets
 * for each call (`commandTimeout`, `socketTimeout`) cost a fifth of a call.
 */
export class Pending<Call extends Rejectable> {
  readonly #options: PendingOptions;
  readonly #calls = new Map<Call, number>();
  #look = 0;
  #lastAnswer = 0;

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#calls.size;
  }

  add(call: Call): void {
    this.#calls.set(call, this.#look);
  }

  /** It was answered, or failed. */
  end(call: Call): void {
    if (this.#calls.delete(call)) this.#lastAnswer = this.#look;
  }

  /** Looks after the calls until `signal` aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    const { timeoutMs, clock, late, onSilence } = this.#options;
    for (;;) {
      try {
        await clock.sleep(timeoutMs / looks, signal);
      } catch {
        return;
      }
      this.#look += 1;
      let lateCalls = 0;
      for (const [call, since] of this.#calls) {
        // One look more than there are in the time: the first may have come just after the call.
        if (this.#look - since <= looks) break;
        lateCalls += 1;
        this.#calls.delete(call);
        call.reject(late());
      }
      if (lateCalls > 0 && this.#look - this.#lastAnswer > looks) onSilence();
    }
  }
}

export interface PendingOptions {
  /** In milliseconds. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** What a call that got no answer in time is rejected with. */
  late(): Error;
  /** Calls are late, and none at all was answered in that time. */
  onSilence(): void;
}
