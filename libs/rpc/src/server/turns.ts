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
  /** When the call before was turned down, if it was, and in this turn. */
  #refusedMs: number | undefined;

  constructor(options?: TurnOptions) {
    this.#turns = new LoopTurns(options);
  }

  /** Takes other options from now on; what was measured stays. */
  configure(options: TurnOptions): void {
    this.#turns.configure(options);
  }

  /**
   * One more call has come: whether there is room for it in this turn. Whoever asks goes on to {@link take} or
   * {@link refuse} it.
   *
   * @param nowMs milliseconds of a monotonic clock
   * @param share see {@link LoopTurns.offer}
   */
  offer(nowMs: number, share?: number): boolean {
    this.#start(nowMs);
    if (this.#refusedMs !== undefined) this.#turns.refused(performance.now() - this.#refusedMs);
    this.#refusedMs = undefined;
    return this.#turns.offer(share);
  }

  /**
   * The call that came last is taken.
   *
   * @returns for how long it waited, in milliseconds, going by the time for which the loop did not look: half of it
   */
  take(): number {
    this.#turns.take();
    return this.#turns.waitMs / 2;
  }

  /** The call that came last is turned down. What that takes is the time until the next one comes in the same turn. */
  refuse(): void {
    this.#refusedMs = performance.now();
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
      this.#refusedMs = undefined;
      this.#idleMs = performance.nodeTiming.idleTime;
      const { user, system } = process.threadCpuUsage(before);
      this.#turns.end((user + system) / 1_000);
    });
  }
}
