import type { Clock } from "@weft/kit";

/** A call on its way, which can be ended before its answer. */
export interface Rejectable {
  reject(error: Error): void;
}

/** The place of a call among those under way. */
export interface Waiting {
  /** Until it ends. */
  call: Rejectable | undefined;
  /** At which look it came. */
  readonly since: number;
  /** Who came next. */
  next: Waiting | undefined;
}

/** Looks per deadline: a call may take a tenth longer. */
const looks = 10;

/**
 * The calls under way, oldest first, each of which ends by its deadline. One timer for all: the timers that ioredis sets
 * for each call (`commandTimeout`, `socketTimeout`) cost a fifth of a call.
 *
 * A chain, since a server answers in order: nearly always the first is the next to end. The places of others wait,
 * empty, for those before them or the next look. A Map costs the half of a call more, most of it garbage collection.
 */
export class Pending {
  readonly #options: PendingOptions;
  #first: Waiting | undefined;
  #last: Waiting | undefined;
  #size = 0;
  #look = 0;
  #lastAnswer = 0;

  constructor(options: PendingOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#size;
  }

  add(call: Rejectable): Waiting {
    const waiting: Waiting = { call, since: this.#look, next: undefined };
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
    this.#size += 1;
    return waiting;
  }

  /** It was answered, or failed. */
  end(waiting: Waiting): void {
    if (waiting.call === undefined) return;
    waiting.call = undefined;
    this.#size -= 1;
    this.#lastAnswer = this.#look;
    let first = this.#first;
    while (first !== undefined && first.call === undefined) {
      const { next } = first;
      // One that lived long enough to be old would keep all that follow alive.
      first.next = undefined;
      first = next;
    }
    this.#first = first;
    if (first === undefined) this.#last = undefined;
  }

  /** Looks after the calls until `signal` aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    const { timeoutMs, clock, onSilence } = this.#options;
    for (;;) {
      try {
        await clock.sleep(timeoutMs / looks, signal);
      } catch {
        return;
      }
      this.#look += 1;
      const lateCalls = this.#sweep();
      if (lateCalls > 0 && this.#look - this.#lastAnswer > looks) onSilence();
    }
  }

  /** Ends the calls that are late, and drops all empty places. How many were late. */
  #sweep(): number {
    let lateCalls = 0;
    let before: Waiting | undefined;
    for (let at = this.#first; at !== undefined; at = at.next) {
      const { call } = at;
      // One look more than there are in the time: the first may have come just after the call.
      if (call !== undefined && this.#look - at.since > looks) {
        at.call = undefined;
        this.#size -= 1;
        lateCalls += 1;
        call.reject(this.#options.late());
      }
      if (at.call !== undefined) before = at;
      else if (before === undefined) this.#first = at.next;
      else before.next = at.next;
    }
    this.#last = before;
    return lateCalls;
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
