/** How many calls a turn of the event loop may take, from what the last ones cost; plain values. */
export interface TurnOptions {
  /** Work for one turn of a loop that found no rest for a while, in milliseconds of processor time. Default 40. */
  readonly maxTurnMs?: number;
}

export const turnDefaults = { maxTurnMs: 40 } as const;

/** For so long without a rest, in milliseconds, a loop takes whatever comes: it may be a burst. */
const graceMs = 100;

/** Measurements of cost that are remembered; before as many nothing is known. */
const remembered = 8;

/** Turns are measured together until they are as long, in milliseconds: clocks of processor time go by ticks of 1 to 10. */
const leastMeasuredMs = 20;

/** By so much the cost of a refusal is corrected by one of them, up or down: what half of them stay below is found so. */
const refusalStep = 1.02;

/** A turn may take as many calls, whatever they cost, when no more came in the one before. */
const few = 20;

/**
 * Of the time that a loop stood still, the share that it may work to catch up, and of that the share left to each turn
 * after it: a backlog that gets smaller is none of overload's. So long in all from one rest to the next, in milliseconds.
 */
const catchUpShare = 0.5;
const catchUpFall = 0.75;
const maxCatchUpMs = 1_000;

/**
 * The turns of an event loop that serves calls. Calls that come while the loop is busy wait in their sockets, where
 * nobody sees them; all of them are read at the start of the next turn, and worked off one after another before it ends.
 * Five times the load makes each turn five times as long as the one before, faster than any latency is seen: so a turn
 * takes on no more than it can do in a time, going by the cheapest of the last few turns. Cost is processor time, which
 * does not grow when the machine is busy with others.
 *
 * - T1 A turn within 100 ms of a rest is never limited: a burst is no overload.
 * - T2 A later one takes on `maxTurnMs` of work, and always at least one call.
 * - T3 While no more than twenty calls come in a turn all are taken: so few callers wait for each other, and no longer.
 * - T4 After the loop stood still for more than 100 ms (garbage, a machine busy with others, a handler that computes) a
 *   turn takes on half of that time, and each after it a quarter less: what came meanwhile is no overload either. Until
 *   the loop rests again one second is granted so, which is four with what falls off: a machine that always gives less
 *   than is asked of it is overloaded.
 * - T5 What refusals cost is none of the cost of calls: many of them don't make the calls that are taken fewer and fewer.
 *
 * Milliseconds of a monotonic clock.
 */
export class LoopTurns {
  #maxTurnMs: number;
  readonly #costsMs: number[] = [];
  #next = 0;
  #costMs = 0;
  #refusalMs = 0;
  // Since cost was last measured
  #workedMs = 0;
  #worked = 0;
  #turnedDown = 0;
  #startedMs = 0;
  #restedMs = 0;
  #offered = 0;
  #taken = 0;
  #freeCalls = 1;
  #allowedMs = 0;
  #grantedMs = 0;
  #isTight = false;
  #waitMs = 0;

  constructor({ maxTurnMs = turnDefaults.maxTurnMs }: TurnOptions = {}) {
    this.#maxTurnMs = maxTurnMs;
  }

  /** How long a call of this turn may have waited in its socket, at most. */
  get waitMs(): number {
    return this.#waitMs;
  }

  /**
   * One more has come in this turn: whether there is room for it.
   *
   * @param share of a turn's work that may be filled with calls like this one; default 1
   */
  offer(share = 1): boolean {
    this.#offered += 1;
    const hasTime = (this.#taken + 1) * this.#costMs <= this.#allowedMs * share;
    return !this.#isTight || this.#taken < this.#freeCalls || hasTime;
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
    if (hasRested) {
      this.#restedMs = nowMs;
      this.#grantedMs = 0;
    }
    this.#isTight = nowMs - this.#restedMs > graceMs;
    this.#waitMs = hasRested ? 0 : (nowMs - this.#startedMs) / Math.max(1, rounds);
    this.#allowedMs = Math.max(this.#maxTurnMs, this.#catchUpMs());
    this.#freeCalls = this.#offered <= few ? few : 1;
    this.#startedMs = nowMs;
    this.#offered = 0;
    this.#taken = 0;
  }

  /** A call of this turn was taken. */
  take(): void {
    this.#taken += 1;
  }

  /** What a refusal took, about, in milliseconds. */
  refused(tookMs: number): void {
    if (this.#refusalMs === 0) this.#refusalMs = tookMs;
    else this.#refusalMs *= tookMs > this.#refusalMs ? refusalStep : 1 / refusalStep;
  }

  /** All that came in this turn was worked on. @param workedMs processor time since its start */
  end(workedMs: number): void {
    this.#workedMs += workedMs;
    this.#worked += this.#taken;
    this.#turnedDown += this.#offered - this.#taken;
    if (this.#workedMs < leastMeasuredMs || this.#worked === 0) return;
    // A refusal costs less than a call that is taken, so less than either on average.
    const refusalMs = Math.min(this.#refusalMs, this.#workedMs / (this.#worked + this.#turnedDown));
    this.#costsMs[this.#next] = (this.#workedMs - this.#turnedDown * refusalMs) / this.#worked;
    this.#next = (this.#next + 1) % remembered;
    this.#workedMs = this.#worked = this.#turnedDown = 0;
    if (this.#costsMs.length === remembered) this.#costMs = Math.min(...this.#costsMs);
  }

  /** Work that makes good for a time in which the loop stood still. */
  #catchUpMs(): number {
    const workMs = this.#taken * this.#costMs + (this.#offered - this.#taken) * this.#refusalMs;
    const stoodMs = this.#waitMs - workMs;
    const fresh = stoodMs > graceMs ? Math.min(stoodMs * catchUpShare, maxCatchUpMs - this.#grantedMs) : 0;
    this.#grantedMs += fresh;
    return Math.max(fresh, Math.min(this.#allowedMs, this.#waitMs) * catchUpFall);
  }
}
