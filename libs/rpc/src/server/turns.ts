import { performance } from "node:perf_hooks";
import { LoopTurns, type Priority, type TurnOptions } from "@weft/resilience";

/** An event loop that waited for less than this, in milliseconds, had no rest: it always looks once. */
const restMs = 1;

/** After as many critical calls one of the others goes, so that they don't wait for ever. */
const mostInARow = 8;

/** Begins a call whose turn has come. @returns false when it ends without: nobody waits for it any more */
export type Start = () => boolean;

/**
 * {@link LoopTurns} of this process' own event loop, for whoever takes calls in it. A round goes from the first call that
 * the loop meets to the end of all that it set off. What waits goes on in the next one, so that in between timers go off,
 * others are looked for, and answers leave, which Node sends once in each round.
 */
export class ProcessTurns {
  readonly #turns: LoopTurns;
  // Calls that wait for their turn
  readonly #critical: Start[] = [];
  readonly #others: Start[] = [];
  /** Critical ones since the last other one. */
  #inARow = 0;
  #inRound = false;
  #isArmed = false;
  #cpu: NodeJS.CpuUsage | undefined;
  /** When this round, or the one before, began. */
  #cameMs = 0;
  // As the last round ended
  #idleMs = 0;
  #loops = 0;
  /** When the call before was turned down, if it was, and in this round. */
  #refusedMs: number | undefined;

  constructor(options?: TurnOptions) {
    this.#turns = new LoopTurns(options);
  }

  /** Takes other options from now on; what was measured stays. */
  configure(options: TurnOptions): void {
    this.#turns.configure(options);
  }

  /** One more call has come: whether there is room for it. Whoever asks goes on to {@link take} or {@link refuse} it. */
  offer(priority: Priority): boolean {
    if (!this.#inRound) this.#comeRound();
    if (this.#refusedMs !== undefined) this.#turns.refuse(performance.now() - this.#refusedMs);
    this.#refusedMs = undefined;
    return this.#turns.offer(priority);
  }

  /** The call that came last is taken: {@link begin} is next, or {@link begun}. */
  take(priority: Priority): void {
    this.#turns.take(priority);
  }

  /** The call that came last is turned down. What that takes is the time until the next one comes in the same round. */
  refuse(): void {
    this.#refusedMs = performance.now();
  }

  /** A call that was taken is on its way. */
  begun(): void {
    this.#turns.begin();
  }

  /** Sets off a call that was taken: at once while this round has time for it, else in one of the next. */
  begin(priority: Priority, start: Start): void {
    if (!this.#inRound) this.#comeRound();
    if (this.#waits === 0 && this.#turns.hasRound) return this.#setOff(start);
    // Those that are not critical keep their order, or the least important would wait for ever.
    (priority === "critical" ? this.#critical : this.#others).push(start);
  }

  /** Sets off all that waits. */
  beginAll(): void {
    for (let start = this.#next(); start !== undefined; start = this.#next()) this.#setOff(start);
  }

  #setOff(start: Start): void {
    if (start()) this.#turns.begin();
    else this.#turns.drop();
  }

  #next(): Start | undefined {
    const isOthersTurn = this.#inARow >= mostInARow && this.#others.length > 0;
    const start = isOthersTurn ? undefined : this.#critical.shift();
    this.#inARow = start === undefined ? 0 : this.#inARow + 1;
    return start ?? this.#others.shift();
  }

  get #waits(): number {
    return this.#critical.length + this.#others.length;
  }

  #comeRound(): void {
    this.#inRound = true;
    const nowMs = performance.now();
    const { idleTime, uvMetricsInfo } = performance.nodeTiming;
    const hasRested = idleTime - this.#idleMs >= restMs;
    const awayMs = (nowMs - this.#cameMs) / Math.max(1, uvMetricsInfo.loopCount - this.#loops);
    this.#cameMs = nowMs;
    this.#turns.start(nowMs, { hasRested, awayMs, waiting: this.#waits, critical: this.#critical.length });
    this.#cpu = process.threadCpuUsage();
    this.#arm();
  }

  /** Both come in the same round, once it has looked for calls: what the first one sets off is over before the second. */
  #arm(): void {
    if (this.#isArmed) return;
    this.#isArmed = true;
    setImmediate(() => this.#goOn());
    setImmediate(() => this.#end());
  }

  #goOn(): void {
    if (!this.#inRound) this.#comeRound();
    if (this.#refusedMs !== undefined) this.#turns.refuse();
    this.#refusedMs = undefined;
    while (this.#turns.hasRound) {
      const start = this.#next();
      if (start === undefined) return;
      this.#setOff(start);
    }
  }

  #end(): void {
    this.#inRound = this.#isArmed = false;
    const { idleTime, uvMetricsInfo } = performance.nodeTiming;
    this.#idleMs = idleTime;
    this.#loops = uvMetricsInfo.loopCount;
    const { user, system } = process.threadCpuUsage(this.#cpu);
    this.#turns.end((user + system) / 1_000);
    if (this.#waits > 0) this.#arm();
  }
}
