import { performance } from "node:perf_hooks";
import { LoopTurns, type TurnOptions } from "@weft/resilience";

/** An event loop that waited for less than this, in milliseconds, had no rest: it always looks once. */
const restMs = 1;

/** {@link LoopTurns} of this process' own event loop, for whoever takes calls in it. */
export class ProcessTurns {
  readonly #turns: LoopTurns;
  #inTurn = false;
  #idleMs = 0;
  #round = 0;
  /** Since refusals were last measured. */
  #refusals = 0;
  #isOnlyRefusing = false;

  constructor(options?: TurnOptions) {
    this.#turns = new LoopTurns(options);
  }

  /** Takes other options from now on; what was measured stays. */
  configure(options: TurnOptions): void {
    this.#turns.configure(options);
  }

  /**
   * One more call has come: whether there is room for it in this turn.
   *
   * @param nowMs milliseconds of a monotonic clock
   * @param share see {@link LoopTurns.offer}
   */
  offer(nowMs: number, share?: number): boolean {
    this.#start(nowMs);
    const hasRoom = this.#turns.offer(share);
    if (!hasRoom) this.#measureRefusal();
    return hasRoom;
  }

  /**
   * The call that came last is taken.
   *
   * @returns for how long it waited, in milliseconds, going by the time for which the loop did not look: half of it
   */
  take(): number {
    this.#turns.take();
    this.#isOnlyRefusing = false;
    return this.#turns.waitMs / 2;
  }

  /** By what is done until this piece of JavaScript ends, in which nothing else is if nobody is taken. */
  #measureRefusal(): void {
    this.#refusals += 1;
    if (this.#refusals > 1) return;
    this.#isOnlyRefusing = true;
    const before = process.threadCpuUsage();
    process.nextTick(() => {
      if (this.#isOnlyRefusing) this.#turns.refused(millisecondsSince(before) / this.#refusals);
      this.#refusals = 0;
    });
  }

  #start(nowMs: number): void {
    if (this.#inTurn) return;
    this.#inTurn = true;
    const { idleTime, uvMetricsInfo } = performance.nodeTiming;
    const rounds = uvMetricsInfo.loopCount - this.#round;
    this.#round = uvMetricsInfo.loopCount;
    this.#turns.start(nowMs, { hasRested: idleTime - this.#idleMs >= restMs, rounds });
    const before = process.threadCpuUsage();
    setImmediate(() => {
      this.#inTurn = false;
      this.#idleMs = performance.nodeTiming.idleTime;
      this.#turns.end(millisecondsSince(before));
    });
  }
}

/** Processor time of this thread. */
function millisecondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1_000;
}
