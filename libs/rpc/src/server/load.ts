import { availableParallelism } from "node:os";
import { performance } from "node:perf_hooks";
import type { Clock } from "@weft/kit";
import {
  Admission,
  DegradeScore,
  type OnDecision,
  overloadDefaults,
  type OverloadOptions,
  type Priority,
} from "@weft/resilience";
import type { MethodPlan } from "./plan.ts";
import { ProcessTurns, type Start } from "./turns.ts";

/** How a server is doing. */
export interface ServerStats {
  /** Unary calls that may be in flight now. */
  readonly limit: number;
  /** Unary calls in flight. */
  readonly inFlight: number;
  /** Calls refused for want of room since the start. */
  readonly shed: Readonly<Record<Priority, number>>;
  /** From 0 to 100; see {@link DegradeScore}. */
  readonly score: number;
  readonly degraded: boolean;
  /** Over the last second with calls: mean time that handlers took for unary calls in milliseconds, share of failed
   * calls, and share of the time that the processor was busy. */
  readonly latencyMs: number;
  readonly errorShare: number;
  readonly cpuShare: number;
}

/** What a handler took for a call, in milliseconds. */
interface Worked {
  readonly tookMs: number;
  /** Of that, what was told before. */
  readonly toldMs?: number | undefined;
  /** False for one that was given up. */
  readonly isComplete: boolean;
}

/** How often the score is made up, in milliseconds; not at all while there are no calls. */
const measureEveryMs = 1_000;
/** Busier than this, a process is slow by its own doing. */
const saturatedShare = 0.9;

/**
 * The load of a server: who is taken, and how much strain it is under. The processor counts as busy as the event loop
 * or all of its cores are, whichever is busier: one full loop is a full server, and so is a machine that others fill.
 */
export class ServerLoad {
  readonly #name: string;
  readonly #clock: Clock;
  readonly #onDecision: OnDecision | undefined;
  readonly #admission: Admission;
  readonly #turns: ProcessTurns;
  readonly #score: DegradeScore;
  #pressedCpuShare: number;
  #timer: NodeJS.Timeout | undefined;
  #utilization = performance.eventLoopUtilization();
  #cpu = process.cpuUsage();
  #measuredMs: number;
  // Since then
  #calls = 0;
  #errors = 0;
  #answered = 0;
  #tookMs = 0;
  #last = { latencyMs: 0, errorShare: 0, cpuShare: 0 };

  constructor(options: { name: string; clock: Clock; onDecision: OnDecision | undefined; overload: OverloadOptions }) {
    const { name, clock, onDecision, overload } = options;
    this.#name = name;
    this.#clock = clock;
    this.#onDecision = onDecision;
    this.#measuredMs = clock.monotonic();
    this.#admission = new Admission(overload.concurrency, () => this.#loopShare() > saturatedShare);
    this.#turns = new ProcessTurns(overload.turns);
    this.#score = new DegradeScore(overload.degrade);
    this.#pressedCpuShare = overload.pressedCpuShare ?? overloadDefaults.pressedCpuShare;
  }

  /** Milliseconds of a monotonic clock. */
  get nowMs(): number {
    return this.#clock.monotonic();
  }

  /** Whether handlers should do less than they could. */
  get degraded(): boolean {
    return this.#score.degraded;
  }

  get stats(): ServerStats {
    const { limit, inFlight, shed } = this.#admission;
    const { score, degraded } = this.#score;
    return { limit: Math.floor(limit), inFlight, shed: { ...shed }, score, degraded, ...this.#last };
  }

  /** Takes other options from now on; what was measured stays. */
  configure({ concurrency, turns, degrade, pressedCpuShare }: OverloadOptions): void {
    this.#admission.configure(concurrency ?? {});
    this.#turns.configure(turns ?? {});
    this.#score.configure(degrade ?? {});
    this.#pressedCpuShare = pressedCpuShare ?? overloadDefaults.pressedCpuShare;
  }

  /**
   * Whether a call is taken. What it does is to wait for {@link begin}, and the end of a unary one must be told to
   * {@link ended}.
   */
  take(plan: MethodPlan, priority: Priority): boolean {
    const nowMs = this.nowMs;
    this.#arm();
    this.#calls += 1;
    const isUnary = plan.method.methodKind === "unary";
    if (!this.#turns.offer(priority)) {
      this.#admission.refuse(priority);
      return this.#refused(plan, "event loop");
    }
    const taken = isUnary ? this.#admission.tryCall(priority, nowMs) : this.#admission.tryStream(priority, nowMs);
    if (!taken) return this.#refused(plan, "concurrency");
    this.#turns.take(priority);
    return true;
  }

  /** Sets off a call that was taken, when its turn comes. */
  begin(priority: Priority, start: Start): void {
    this.#turns.begin(priority, start);
  }

  /** Sets off all calls that wait for their turn. */
  beginAll(): void {
    this.#turns.beginAll();
  }

  /** What a handler took for a unary call; once more when it goes on after its caller has gone. */
  worked(plan: MethodPlan, { tookMs, toldMs, isComplete }: Worked): void {
    if (toldMs === undefined) this.#answered += 1;
    this.#tookMs += tookMs - (toldMs ?? 0);
    this.#admission.measure({ method: plan.name, tookMs, isComplete }, this.nowMs);
  }

  /** A unary call that was taken is off the wire, whatever became of it. */
  ended(priority: Priority): void {
    this.#admission.end(priority);
  }

  /** A call has failed by the server's doing. */
  failed(): void {
    this.#errors += 1;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  #refused(plan: MethodPlan, reason: string): false {
    this.#turns.refuse();
    this.#errors += 1;
    this.#onDecision?.({ kind: "shed", target: this.#name, method: plan.name, reason });
    return false;
  }

  #loopShare(): number {
    return performance.eventLoopUtilization(this.#utilization).utilization;
  }

  #arm(): void {
    if (this.#timer !== undefined) return;
    this.#measuredMs = this.nowMs;
    this.#utilization = performance.eventLoopUtilization();
    this.#cpu = process.cpuUsage();
    // Of calls whose handlers went on after the last look.
    this.#errors = this.#answered = this.#tookMs = 0;
    this.#timer = setInterval(() => this.#measure(), measureEveryMs).unref();
  }

  #measure(): void {
    const nowMs = this.nowMs;
    const { user, system } = process.cpuUsage(this.#cpu);
    const elapsedMs = Math.max(1, nowMs - this.#measuredMs);
    const coresShare = (user + system) / 1_000 / elapsedMs / availableParallelism();
    const strain = {
      latencyMs: this.#answered === 0 ? 0 : this.#tookMs / this.#answered,
      errorShare: this.#calls === 0 ? 0 : Math.min(1, this.#errors / this.#calls),
      cpuShare: Math.min(1, Math.max(this.#loopShare(), coresShare)),
    };
    const wasIdle = this.#calls === 0 && this.#admission.inFlight === 0;
    this.#last = strain;
    this.#measuredMs = nowMs;
    this.#utilization = performance.eventLoopUtilization();
    this.#cpu = process.cpuUsage();
    this.#calls = this.#errors = this.#answered = this.#tookMs = 0;
    this.#admission.isPressed = strain.cpuShare > this.#pressedCpuShare;
    if (this.#score.update(strain, nowMs)) {
      const reason = this.#score.degraded ? this.#score.parts.join(" and ") : "recovered";
      this.#onDecision?.({ kind: "degraded", target: this.#name, reason });
    }
    if (!wasIdle || this.#score.degraded) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
