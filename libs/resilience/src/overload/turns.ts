import type { Priority } from "./priority.ts";

/** How many calls may wait for the event loop, from what the last ones cost; plain values. */
export interface TurnOptions {
  /** Work that may wait while the loop finds no rest, in milliseconds of processor time. Default 40. */
  readonly maxTurnMs?: number;
}

export const turnDefaults = { maxTurnMs: 40 } as const;

/** For so long after a rest, in milliseconds, what comes may be a burst; and a loop that stood still for less has not. */
const graceMs = 100;
/** As many turns may wait meanwhile. */
const burstTurns = 5;

/** Measurements of cost that are remembered. */
const remembered = 8;

/** With fewer nothing is known: the first calls of a process are dear. With many more, an overload would be over it. */
const leastKnown = 2;

/** Turns are measured together until they are as long, in milliseconds: clocks of processor time go by ticks of 1 to 10. */
const leastMeasuredMs = 20;

/** Refusals whose cost is remembered. Half of them stay below what counts: now and then other work comes between. */
const rememberedRefusals = 31;

/** Work that a round of the loop begins, in milliseconds: answers leave, and others are looked for, after each round. */
const roundMs = 10;

/** What the end of a call takes that has not begun, about, in milliseconds. */
const dropMs = 0.1;

/** As many calls may wait, whatever they cost, when no more came in the turn before. */
const few = 20;

/**
 * Of the time that a loop stood still, the share that it may work to catch up, and of that the share left to each turn
 * after it: a backlog that gets smaller is none of overload's. So long in all from one rest to the next, in milliseconds.
 */
const catchUpShare = 0.5;
const catchUpFall = 0.75;
const maxCatchUpMs = 1_000;

/** The share of the time that calls of `batch` may fill. */
const batchShare = 0.7;

/** What {@link LoopTurns} is told as the loop comes round. */
export interface LoopRound {
  /** Whether the loop had nothing to do before that. */
  readonly hasRested: boolean;
  /** Time since it came round before, in milliseconds. */
  readonly awayMs: number;
  /** Calls that were taken before and are not yet begun, */
  readonly waiting: number;
  /** and how many of them are critical. Default 0. */
  readonly critical?: number;
}

/**
 * The turns of an event loop that serves calls. Calls that come while the loop is busy wait in their sockets, where
 * nobody sees them, and all of them are read when the loop comes round again. Were they begun one after another before
 * it goes on, five times the load would make each round five times as long as the one before, faster than any latency
 * is seen, and answers would leave only after the next one. So calls are taken or turned down as they are read, no more
 * than can be worked off in a time, going by the cheapest of the last few measurements; and a round of the loop begins
 * few of those taken, the others wait. A turn is over when as many have begun as its first round had. Cost is processor
 * time, which does not grow when the machine is busy with others.
 *
 * - T1 What had come when the loop ends a rest is taken, all of it, and five times `maxTurnMs` of work may wait in the
 *   next 100 ms: a burst is no overload.
 * - T2 Later on no more than `maxTurnMs` of work waits or has begun in this round, and always at least one call.
 * - T3 While no more than twenty calls come in a turn all are taken: so few callers wait for each other, and no longer.
 * - T4 After the loop stood still for more than 100 ms (garbage, a machine busy with others, a handler that computes) a
 *   turn takes on half of that time, and each after it a quarter less: what came meanwhile is no overload either. Until
 *   the loop rests again one second is granted so, which is four with what falls off: a machine that always gives less
 *   than is asked of it is overloaded.
 * - T5 What refusals cost is none of the cost of calls: many of them don't make the calls that are taken fewer and fewer.
 * - T6 A round begins 10 ms of work, or one call, and ends a hundred that nobody waits for any more.
 * - T7 A call of `batch` finds room up to 70 % of the time. A critical one is turned down for critical ones alone, when
 *   five times `maxTurnMs` of their work waits, and never where another is taken.
 *
 * Milliseconds of a monotonic clock.
 */
export class LoopTurns {
  #maxTurnMs: number;
  readonly #costsMs: number[] = [];
  #nextCost = 0;
  #costMs = 0;
  readonly #refusalsMs: number[] = [];
  #nextRefusal = 0;
  #refusalMs = 0;
  // Since cost was last measured
  #workedMs = 0;
  #worked = 0;
  #turnedDown = 0;
  // Of this round
  #waiting = 0;
  #critical = 0;
  #begun = 0;
  #dropped = 0;
  #refused = 0;
  #burstMs = 0;
  // Of this turn
  #startedMs = 0;
  /** Calls that came since its first round, */
  #offered = 0;
  /** and before: from the end of the first round of a turn to that of the next, so that who waits comes once. */
  #came = 0;
  /** Whether this round is its first. */
  #isFirst = true;
  /** Calls of that round, and from before it, that are not yet begun. */
  #left = 0;
  #freeCalls = 1;
  #allowedMs = 0;
  #restedMs = 0;
  #grantedMs = 0;

  constructor({ maxTurnMs = turnDefaults.maxTurnMs }: TurnOptions = {}) {
    this.#maxTurnMs = maxTurnMs;
  }

  /** Whether this round may begin one more call. */
  get hasRound(): boolean {
    const nextMs = this.#begun === 0 ? 0 : (this.#begun + 1) * this.#costMs;
    return nextMs + this.#dropped * dropMs <= roundMs;
  }

  /** One more has come in this round: whether there is room for it. */
  offer(priority: Priority = "interactive"): boolean {
    this.#offered += 1;
    const isCritical = priority === "critical";
    const ahead = isCritical ? this.#critical : this.#waiting;
    const allowedMs = isCritical
      ? Math.max(this.#allowedMs, this.#maxTurnMs * burstTurns)
      : this.#allowedMs * (priority === "batch" ? batchShare : 1);
    const hasTime = (ahead + 1) * this.#costMs <= Math.max(this.#burstMs, allowedMs);
    return ahead < this.#freeCalls || hasTime;
  }

  configure({ maxTurnMs = turnDefaults.maxTurnMs }: TurnOptions): void {
    this.#maxTurnMs = maxTurnMs;
  }

  /** The loop has come round. */
  start(nowMs: number, { hasRested, awayMs, waiting, critical = 0 }: LoopRound): void {
    // A loop that rested had emptied its sockets; otherwise they filled since it last looked.
    if (hasRested) {
      this.#restedMs = nowMs;
      this.#grantedMs = 0;
    }
    const isBurst = nowMs - this.#restedMs <= graceMs;
    this.#burstMs = hasRested ? Number.POSITIVE_INFINITY : isBurst ? this.#maxTurnMs * burstTurns : 0;
    const freshMs = hasRested ? 0 : this.#catchUpMs(awayMs);
    this.#waiting = waiting;
    this.#critical = critical;
    this.#begun = this.#dropped = this.#refused = 0;
    if (this.#isFirst) {
      this.#came = this.#offered;
      this.#offered = 0;
    }
    this.#isFirst = this.#left <= 0 || waiting === 0;
    if (!this.#isFirst) {
      this.#allowedMs = Math.max(this.#allowedMs, freshMs);
      return;
    }
    const lastMs = hasRested ? 0 : nowMs - this.#startedMs;
    this.#allowedMs = Math.max(this.#maxTurnMs, freshMs, Math.min(this.#allowedMs, lastMs) * catchUpFall);
    this.#freeCalls = this.#came <= few ? few : 1;
    this.#startedMs = nowMs;
    this.#left = waiting;
  }

  /** The call that came last was taken. */
  take(priority: Priority = "interactive"): void {
    this.#waiting += 1;
    if (priority === "critical") this.#critical += 1;
    if (this.#isFirst) this.#left += 1;
  }

  /** A call that was taken, now or before, is begun. */
  begin(): void {
    this.#begun += 1;
    this.#left -= 1;
  }

  /** A call that was taken ends without having begun. */
  drop(): void {
    this.#dropped += 1;
    this.#left -= 1;
  }

  /** A call was turned down. @param tookMs what that took, about, in milliseconds; undefined when nobody knows */
  refuse(tookMs?: number): void {
    this.#refused += 1;
    if (tookMs === undefined) return;
    this.#refusalsMs[this.#nextRefusal] = tookMs;
    this.#nextRefusal = (this.#nextRefusal + 1) % rememberedRefusals;
  }

  /** All that was begun in this round was worked on. @param workedMs processor time since its start */
  end(workedMs: number): void {
    this.#workedMs += workedMs;
    this.#worked += this.#begun;
    this.#turnedDown += this.#refused + this.#dropped;
    if (this.#workedMs < leastMeasuredMs || this.#worked === 0) return;
    this.#refusalMs = middleOf(this.#refusalsMs);
    // However dear its first calls are, a process that began so many at once must not begin more.
    const isLong = this.#workedMs >= this.#maxTurnMs * burstTurns;
    // A refusal costs less than a call that is taken, so less than either on average.
    const refusalMs = Math.min(this.#refusalMs, this.#workedMs / (this.#worked + this.#turnedDown));
    this.#costsMs[this.#nextCost] = (this.#workedMs - this.#turnedDown * refusalMs) / this.#worked;
    this.#nextCost = (this.#nextCost + 1) % remembered;
    this.#workedMs = this.#worked = this.#turnedDown = 0;
    const isKnown = this.#costsMs.length >= leastKnown || isLong;
    if (isKnown) this.#costMs = Math.min(...this.#costsMs);
  }

  /** Work that makes good for a time in which the loop stood still. */
  #catchUpMs(awayMs: number): number {
    // Its own calls may be why.
    if (this.#costMs === 0) return 0;
    const workMs = this.#begun * this.#costMs + this.#refused * this.#refusalMs + this.#dropped * dropMs;
    const stoodMs = awayMs - workMs;
    if (stoodMs <= graceMs) return 0;
    const freshMs = Math.min(stoodMs * catchUpShare, maxCatchUpMs - this.#grantedMs);
    this.#grantedMs += freshMs;
    return freshMs;
  }
}

/** 0 for none. */
function middleOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
