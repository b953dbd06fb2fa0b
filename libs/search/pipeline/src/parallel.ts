/** How a request went. Times are of a monotonic clock, in milliseconds. */
export interface Sample {
  readonly startedAt: number;
  readonly endedAt: number;
  /** Requests under way when it ended, itself included. */
  readonly parallel: number;
  /** As large as requests get: the time of a small one says nothing about the next large one. */
  readonly full: boolean;
  /** The target turned something away, or did not answer. */
  readonly overloaded: boolean;
}

/** Requests that may wait in the target: fewer, and there may be one more at a time; more, and there is one less. */
const queue = { few: 1, many: 3 };
/** Samples after which the time without a queue is measured anew. */
const samplesOfBase = 50;

/**
 * How many requests may be under way. The shortest time of late is what a request takes that waits for no other; what
 * the present times are above it, the requests under way wait in a queue, whose length is kept within bounds (TCP Vegas:
 * Brakmo, O'Malley and Peterson, 1994). Every so often the number is halved, so that the queue runs empty and the
 * shortest time is known again (as BBR does: Cardwell et al., 2016). When the target turns work away it is halved at once,
 * and once for all that was sent before (AIMD: RFC 5681).
 */
export class ParallelLimit {
  readonly #most: number;
  #limit: number;
  #baseMs = Infinity;
  #nextBaseMs = Infinity;
  #samples = 0;
  #cutAt = -Infinity;

  /** @param most at least 1 */
  constructor(most: number) {
    this.#most = most;
    this.#limit = Math.min(2, most);
  }

  /** Between 1 and `most`. */
  get limit(): number {
    return Math.max(1, Math.floor(this.#limit));
  }

  take({ startedAt, endedAt, parallel, full, overloaded }: Sample): void {
    if (overloaded) {
      // What was under way at the last cut was sent under the limit before it.
      if (startedAt >= this.#cutAt) this.#cut(endedAt);
      return;
    }
    if (!full) return;
    const tookMs = Math.max(endedAt - startedAt, Number.EPSILON);
    this.#measure(tookMs, endedAt);
    const waiting = parallel * (1 - this.#baseMs / tookMs);
    if (waiting > queue.many) this.#change(-1);
    // A limit that nobody reaches needs no raise.
    else if (waiting < queue.few && parallel >= this.limit) this.#change(1);
  }

  #measure(tookMs: number, at: number): void {
    this.#baseMs = Math.min(this.#baseMs, tookMs);
    this.#nextBaseMs = Math.min(this.#nextBaseMs, tookMs);
    this.#samples += 1;
    if (this.#samples < samplesOfBase) return;
    // The base of the last round counts in the next, so that no round starts without one.
    [this.#baseMs, this.#nextBaseMs, this.#samples] = [this.#nextBaseMs, Infinity, 0];
    this.#cut(at);
  }

  /** One step in the time of as many requests as may be under way. */
  #change(step: number): void {
    this.#limit = Math.min(this.#most, Math.max(1, this.#limit + step / this.limit));
  }

  #cut(at: number): void {
    this.#limit = Math.max(1, this.#limit / 2);
    this.#cutAt = at;
  }
}
