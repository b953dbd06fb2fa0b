/** How many calls a turn of the event loop may take, from what the last ones cost; plain values. */
export interface TurnOptions {
  /** Work for one turn of a loop that found no rest for a while, in milliseconds of processor time. Default 40. */
  readonly maxTurnMs?: number;
}

export const turnDefaults = { maxTurnMs: 40 } as const;

/** For so long without a rest, in milliseconds, a loop takes whatever comes: it may be a burst. */
const graceMs = 100;

/** Turns that are remembered; before as many nothing is known. */
const remembered = 8;

/**
 * The turns of an event loop that serves calls. Calls that come while the loop is busy wait in their sockets, where
 * nobody sees them; all of them are read at the start of the next turn, and worked off one after another before it ends.
 * Five times the load makes each turn five times as long as the one before, faster than any latency is seen: so a turn
 * takes on no more than it can do in a time, going by the cheapest of the last few turns. Cost is processor time, which
 * does not grow when the machine is busy with others.
 *
 * - T1 A turn within 100 ms of a rest is never limited: a burst is no overload.
 * - T2 A later one takes on `maxTurnMs` of work, and always at least one call.
 *
 * Milliseconds of a monotonic clock.
 */
export class LoopTurns {
  #maxTurnMs: number;
  readonly #costsMs: number[] = [];
  #next = 0;
  #costMs = 0;
  #startedMs = 0;
  #restedMs = 0;
  #taken = 0;
  #isTight = false;
  #waitMs = 0;

  constructor({ maxTurnMs = turnDefaults.maxTurnMs }: TurnOptions = {}) {
    this.#maxTurnMs = maxTurnMs;
  }

  /** How long a call of this turn may have waited in its socket, at most. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /** Whether the turn can take one more. */
  get hasRoom(): boolean {
    return !this.#isTight || this.#taken === 0 || (this.#taken + 1) * this.#costMs <= this.#maxTurnMs;
  }

  configure({ maxTurnMs = turnDefaults.maxTurnMs }: TurnOptions): void {
    this.#maxTurnMs = maxTurnMs;
  }

  /**
   * The first call of a turn has come.
   *
   * @param hasRested whether the loop had nothing to do since the last turn
   * @param rounds how often it went round since; more than once when some had no calls
   */
  start(nowMs: number, { hasRested, rounds }: { readonly hasRested: boolean; readonly rounds: number }): void {
    // A loop that rested had emptied its sockets; otherwise they filled since it last looked.
    if (hasRested) this.#restedMs = nowMs;
    this.#isTight = nowMs - this.#restedMs > graceMs;
    this.#waitMs = hasRested ? 0 : (nowMs - this.#startedMs) / Math.max(1, rounds);
    this.#startedMs = nowMs;
    this.#taken = 0;
  }

  /** A call of this turn was taken. */
  take(): void {
    this.#taken += 1;
  }

  /** All that came in this turn was worked on. @param workedMs processor time since its start */
  end(workedMs: number): void {
    if (this.#taken === 0) return;
    this.#costsMs[this.#next] = workedMs / this.#taken;
    this.#next = (this.#next + 1) % remembered;
    if (this.#costsMs.length === remembered) this.#costMs = Math.min(...this.#costsMs);
  }
}
