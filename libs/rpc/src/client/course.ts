import type { DescMethod } from "@bufbuild/protobuf";
import type { Metadata, StatusObject } from "@grpc/grpc-js";
import type { WeftError } from "@weft/kit";
import type {
  Breaker,
  BreakerPass,
  BreakerWaiter,
  CallFacts,
  Endpoint,
  FailedTry,
  RetryVerdict,
} from "@weft/resilience";
import { isRefusal, pushBackMs } from "../wire/status.ts";
import { givenUp, markTry } from "./call.ts";
import type { DegradedListeners } from "./degraded.ts";
import type { Link } from "./link.ts";
import type { ClientPlan } from "./plan.ts";
import type { Waiter } from "./pool.ts";
import type { Timed } from "./pulse.ts";
import { closedTransport, late, mayMove, nobodyThere, type Way } from "./way.ts";

/** A call of any kind, ready to be made. */
export interface CallRequest {
  readonly method: DescMethod;
  readonly plan: ClientPlan;
  readonly metadata: Metadata;
  /** Milliseconds until the deadline; `Infinity` for streams of standard protocols only. */
  readonly grantedMs: number;
  readonly signal: AbortSignal | undefined;
  readonly facts: CallFacts;
  /** How long to wait for an instance to be there. */
  readonly patienceMs: number;
  readonly listeners: DegradedListeners;
}

/** Whose course it is: makes the tries. */
export interface CourseOwner {
  /** Somebody takes the call: a try begins there, now. */
  onPlaced(link: Link, pass: BreakerPass, nowMs: number): void;
  /** The time that {@link Course.wake} was told has come, and the call still runs. */
  onWake(nowMs: number): void;
  /** Nobody waits for the tries that run. `isLate`: the deadline passed, as against the caller's giving up. */
  onGivenUp(isLate: boolean, nowMs: number): void;
  /** The call has failed, and no try of it runs. */
  onFailed(error: WeftError): void;
}

/**
 * - placing: looks for an instance
 * - waiting: until there is one, and then for a breaker that looks whether it is well
 * - pausing: between two tries
 * - running: a try runs, or two when it was hedged
 */
type Stage = "placing" | "waiting" | "pausing" | "running" | "ended";

/** Milliseconds after which a call that may not leave a silent instance asks again. */
const askAgainMs = 500;

/**
 * The course of a call, of any kind: finds it a place, gives it another where that may be, and ends it by its deadline
 * or when its caller gives up. It is in the bulkhead from its start to its end.
 */
export class Course implements Timed, Waiter, BreakerWaiter {
  dueMs: number;
  readonly deadlineMs: number;
  readonly breaker: Breaker;
  readonly #request: CallRequest;
  readonly #way: Way;
  readonly #owner: CourseOwner;
  #stage: Stage = "placing";
  #tries = 0;
  #moves = 0;
  /** Who failed this call already. */
  #avoid: Set<Endpoint> | undefined;
  #askMs = 0;
  /** When its patience ends, or its time, while it waits. */
  #patientMs = 0;

  constructor(request: CallRequest, way: Way, owner: CourseOwner) {
    this.#request = request;
    this.#way = way;
    this.#owner = owner;
    this.breaker = way.guards.breakers.of(request.plan.name);
    this.deadlineMs = way.now() + request.grantedMs;
    this.dueMs = this.deadlineMs;
  }

  /** Tries that were made, but for those that nobody saw. */
  get tries(): number {
    return this.#tries;
  }

  /** Begins it: its first try starts at once, or when somebody is there. */
  start(): void {
    const { signal, plan, grantedMs } = this.#request;
    const { guards, pulse, now } = this.#way;
    if (signal?.aborted) return this.#refuse(givenUp(signal));
    if (grantedMs <= 0) return this.#refuse(late());
    const { bulkhead } = guards;
    const isFull = this.#isStream ? bulkhead.enterStream(plan.name) : bulkhead.enter(plan.name);
    if (isFull !== undefined) return this.#refuse(isFull);
    const nowMs = now();
    guards.retries.began(nowMs);
    signal?.addEventListener("abort", this);
    pulse.add(this);
    this.#place(nowMs);
  }

  /** A try begins at this instance; it comes from {@link elsewhere}, or {@link refuge}. */
  try(link: Link, nowMs: number): void {
    const { guards } = this.#way;
    const { plan, metadata } = this.#request;
    const pass = this.breaker.enter(nowMs);
    if (pass === undefined) return this.fail(guards.breakers.refuse(plan.name, nowMs));
    if (this.#stage === "waiting") this.#unwait();
    this.#stage = "running";
    this.#tries += 1;
    markTry(metadata, { leftMs: this.deadlineMs - nowMs, tries: this.#tries });
    this.#due(this.deadlineMs);
    this.#owner.onPlaced(link, pass, nowMs);
  }

  /** The owner wants to be told when it is that late, if a try still runs then. */
  wake(atMs: number): void {
    this.#due(atMs);
  }

  /** A try failed there. */
  failedAt(link: Link, error: WeftError): void {
    this.#avoided().add(link.endpoint);
    if (error.reason === "DRAINING") link.stops();
  }

  /** After a try that failed, and when no other runs: makes the call again, now or later, or fails it. */
  again(error: WeftError, status: StatusObject, nowMs: number): void {
    if (mayMove(error, status, this.#moves)) return this.#move(nowMs);
    const failed = { code: error.code, isRefused: isRefusal(status), pushBackMs: pushBackMs(status, error) };
    const verdict = this.#next(failed, nowMs);
    if ("no" in verdict) return this.fail(error);
    this.#stage = "pausing";
    this.#due(nowMs + verdict.waitMs);
  }

  /** Another link that is well: to another instance, or a new connection to the same one. `also`: see {@link refuge}. */
  elsewhere(from: Link, also?: Link): Link | undefined {
    const avoided = this.#avoided().add(from.endpoint);
    if (also !== undefined) avoided.add(also.endpoint);
    const link = this.#way.pool.find(this.#request.facts, avoided);
    return link === from || link === also || link?.isSuspect === true ? undefined : link;
  }

  /**
   * Where a call goes that is stuck on a silent instance, if it may: what it costs has been taken from the budget.
   * `also`: the instance of its other try, that is silent, too.
   */
  refuge(nowMs: number, from: Link, also?: Link): Link | undefined {
    if (!this.#request.plan.retryable || nowMs < this.#askMs) return undefined;
    this.#askMs = nowMs + askAgainMs;
    const link = this.elsewhere(from, also);
    if (link === undefined) return undefined;
    return "no" in this.#next({ code: "UNAVAILABLE", isRefused: false }, nowMs) ? undefined : link;
  }

  /** It is over, and failed. */
  fail(error: WeftError): void {
    this.end();
    this.#owner.onFailed(error);
  }

  /** It is over. */
  end(): void {
    const { pulse, guards } = this.#way;
    const { signal, plan } = this.#request;
    if (this.#stage === "ended") return;
    if (this.#stage === "waiting") this.#unwait();
    this.#stage = "ended";
    pulse.delete(this);
    if (this.#isStream) guards.bulkhead.leaveStream();
    else guards.bulkhead.leave(plan.name);
    signal?.removeEventListener("abort", this);
  }

  /** The caller gave up. */
  handleEvent(): void {
    const { signal } = this.#request;
    if (signal === undefined || this.#stage === "ended") return;
    this.#owner.onGivenUp(false, this.#way.now());
    this.fail(givenUp(signal));
  }

  onDue(nowMs: number): void {
    if (this.#stage === "waiting") return this.#onWaited(nowMs);
    if (nowMs >= this.deadlineMs) {
      this.#owner.onGivenUp(true, nowMs);
      return this.fail(late());
    }
    if (this.#stage === "pausing") return this.#place(nowMs);
    this.#due(this.deadlineMs);
    this.#owner.onWake(nowMs);
  }

  onAvailable(): void {
    if (this.#stage === "waiting") this.#place(this.#way.now());
  }

  onBreaker(): void {
    if (this.#stage === "waiting") this.#place(this.#way.now());
  }

  get #isStream(): boolean {
    return this.#request.method.methodKind !== "unary";
  }

  /** It fails before it has begun. */
  #refuse(error: WeftError): void {
    this.#stage = "ended";
    this.#owner.onFailed(error);
  }

  #place(nowMs: number): void {
    const { guards, pool } = this.#way;
    const { plan, facts } = this.#request;
    if (pool.isClosed) return this.fail(closedTransport(this.#way));
    if (this.#waitsForProbes(nowMs)) return this.#wait(nowMs);
    if (this.breaker.isOpen(nowMs)) return this.fail(guards.breakers.refuse(plan.name, nowMs));
    const link = pool.find(facts, this.#avoid);
    if (link !== undefined) this.try(link, nowMs);
    else this.#wait(nowMs);
  }

  /**
   * Who has waited for an instance, or was turned away by one that had not seen it, waits for what the probes tell. All
   * who come anew are refused at once.
   */
  #waitsForProbes(nowMs: number): boolean {
    return (this.#stage === "waiting" || this.#moves > 0) && this.breaker.isProbing(nowMs);
  }

  #wait(nowMs: number): void {
    if (this.#stage !== "waiting") {
      this.#stage = "waiting";
      this.#way.pool.wait(this);
      this.#patientMs = Math.min(nowMs + this.#request.patienceMs, this.deadlineMs);
    }
    const isProbing = this.breaker.isProbing(nowMs);
    if (isProbing) this.breaker.wait(this);
    this.#due(
      Math.min(this.#patientMs, isProbing ? nowMs + this.breaker.retryAfterMs(nowMs) : Number.POSITIVE_INFINITY),
    );
  }

  #unwait(): void {
    this.#way.pool.unwait(this);
    this.breaker.unwait(this);
  }

  #onWaited(nowMs: number): void {
    const { guards } = this.#way;
    if (nowMs < this.#patientMs) return this.#place(nowMs);
    const { name } = this.#request.plan;
    this.fail(this.breaker.isOpen(nowMs) ? guards.breakers.refuse(name, nowMs) : nobodyThere(this.#way));
  }

  /** Nobody has seen the try: it does not count. */
  #move(nowMs: number): void {
    const { target, onDecision } = this.#way;
    onDecision?.({ kind: "retried", target, method: this.#request.plan.name, reason: "unseen" });
    this.#moves += 1;
    this.#tries -= 1;
    this.#stage = "placing";
    this.#place(nowMs);
  }

  #next(failed: Pick<FailedTry, "code" | "isRefused" | "pushBackMs">, nowMs: number): RetryVerdict {
    const { plan } = this.#request;
    const remainingMs = this.deadlineMs - nowMs;
    const isBreakerOpen = this.breaker.isOpen(nowMs);
    const call = { method: plan.name, isSafe: plan.retryable, tries: this.#tries, remainingMs, isBreakerOpen };
    return this.#way.guards.retries.next({ ...call, ...failed }, nowMs);
  }

  #avoided(): Set<Endpoint> {
    this.#avoid ??= new Set();
    return this.#avoid;
  }

  #due(dueMs: number): void {
    this.dueMs = Math.min(dueMs, this.deadlineMs);
    this.#way.pulse.moved(this);
  }
}
