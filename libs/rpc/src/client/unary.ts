import type { DescMethod, Message } from "@bufbuild/protobuf";
import { type Metadata, status as codes, type StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import type { Breaker, CallFacts, Endpoint, FailedTry, Outcome, RetryVerdict } from "@weft/resilience";
import { errorOf, isLost, isRefusal, pushBackMs } from "../wire/status.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import { givenUp, markTry } from "./call.ts";
import type { Link } from "./link.ts";
import { isTooBusy, outcomeOf, wasGivenTime } from "./outcome.ts";
import type { ClientPlan } from "./plan.ts";
import type { Waiter } from "./pool.ts";
import type { Timed } from "./pulse.ts";
import { closedTransport, late, mayMove, nobodyThere, type Way } from "./way.ts";

/** A unary call, ready to be made. */
export interface UnaryRequest {
  readonly method: DescMethod;
  readonly plan: ClientPlan;
  readonly bytes: Buffer;
  readonly metadata: Metadata;
  /** Milliseconds until the deadline. */
  readonly grantedMs: number;
  readonly signal: AbortSignal | undefined;
  readonly facts: CallFacts;
  /** How long to wait for an instance to be there. */
  readonly patienceMs: number;
}

/**
 * - placing: looks for an instance
 * - waiting: until there is one
 * - pausing: between two tries
 * - running: one try runs, or two when it was hedged
 */
type Stage = "placing" | "waiting" | "pausing" | "running" | "ended";

/** Milliseconds after which a call that may not leave a silent instance asks again. */
const askAgainMs = 500;

/** A unary call through all of its tries, to its deadline. */
export class UnaryCall implements AttemptOwner, Timed, Waiter {
  dueMs: number;
  readonly #request: UnaryRequest;
  readonly #way: Way;
  readonly #breaker: Breaker;
  readonly #deadlineMs: number;
  readonly #resolve: (response: Message) => void;
  readonly #reject: (error: WeftError) => void;
  #stage: Stage = "placing";
  #tries = 0;
  #moves = 0;
  #attempt: Attempt | undefined;
  /** The try that was hedged, and runs beside the other. */
  #slower: Attempt | undefined;
  /** Who failed this call already. */
  #avoid: Set<Endpoint> | undefined;
  #askMs = 0;

  constructor(
    request: UnaryRequest,
    way: Way,
    resolve: (response: Message) => void,
    reject: (error: WeftError) => void,
  ) {
    this.#request = request;
    this.#way = way;
    this.#breaker = way.guards.breakers.of(request.plan.name);
    this.#deadlineMs = way.now() + request.grantedMs;
    this.dueMs = this.#deadlineMs;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { signal, plan, grantedMs } = this.#request;
    const { guards, pulse, now } = this.#way;
    if (signal?.aborted) return this.#reject(givenUp(signal));
    if (grantedMs <= 0) return this.#reject(late());
    const isFull = guards.bulkhead.enter(plan.name);
    if (isFull !== undefined) return this.#reject(isFull);
    const nowMs = now();
    guards.retries.began(nowMs);
    signal?.addEventListener("abort", this);
    pulse.add(this);
    this.#place(nowMs);
  }

  /** The caller gave up. */
  handleEvent(): void {
    const { signal } = this.#request;
    if (signal === undefined || this.#stage === "ended") return;
    this.#letGo(() => "cancelled", false);
    this.#fail(givenUp(signal));
  }

  onDue(nowMs: number): void {
    if (this.#stage === "waiting") return this.#fail(nobodyThere(this.#way));
    if (nowMs >= this.#deadlineMs) return this.#late();
    if (this.#stage === "pausing") return this.#place(nowMs);
    this.#hedge(nowMs);
  }

  onAvailable(): void {
    if (this.#stage === "waiting") this.#place(this.#way.now());
  }

  onStatus(attempt: Attempt, status: StatusObject): void {
    const { guards, now } = this.#way;
    const { plan } = this.#request;
    const nowMs = now();
    const tookMs = nowMs - attempt.startedMs;
    if (guards.hedges.hedges(plan.name, plan.isRead)) guards.hedges.ended(plan.name, tookMs, nowMs);
    if (status.code === codes.OK && attempt.response !== undefined) {
      guards.retries.answered(nowMs, false);
      attempt.settle("ok", nowMs);
      this.#forget(attempt);
      if (this.#attempt !== undefined) this.#loser(this.#attempt, nowMs);
      this.#end();
      return this.#resolve(attempt.response);
    }
    const error = status.code === codes.OK ? new WeftError("UNKNOWN", "no response came") : errorOf(status);
    guards.retries.answered(nowMs, isTooBusy(error, status));
    const outcome = outcomeOf({ error, status, tookMs, timeoutMs: plan.timeoutMs });
    attempt.settle(outcome, nowMs, isLost(status));
    this.#forget(attempt);
    this.#avoided().add(attempt.link.endpoint);
    if (error.reason === "DRAINING") attempt.link.stops();
    if (this.#attempt === undefined) return this.#again(error, status, nowMs);
    if (outcome !== "ok") return;
    // The other try would be told the same.
    this.#loser(this.#attempt, nowMs);
    this.#fail(error);
  }

  /** Who is stuck on a silent instance goes elsewhere, if it may. */
  onSuspect(attempt: Attempt, nowMs: number): void {
    const { plan } = this.#request;
    if (!plan.retryable || this.#slower !== undefined || nowMs < this.#askMs) return;
    this.#askMs = nowMs + askAgainMs;
    const link = this.#elsewhere(attempt);
    if (link === undefined) return;
    const verdict = this.#next({ code: "UNAVAILABLE", isRefused: false }, nowMs);
    if ("no" in verdict) return;
    // Silence is its own verdict: who answers again takes calls again.
    this.#letGo(() => "cancelled", false);
    this.#try(link, nowMs);
  }

  #place(nowMs: number): void {
    const { guards, pool } = this.#way;
    const { plan, facts } = this.#request;
    if (this.#breaker.isOpen(nowMs)) return this.#fail(guards.breakers.refuse(plan.name, nowMs));
    if (pool.isClosed) return this.#fail(closedTransport(this.#way));
    const link = pool.find(facts, this.#avoid);
    if (link !== undefined) this.#try(link, nowMs);
    else if (this.#stage !== "waiting") this.#wait(nowMs);
  }

  #wait(nowMs: number): void {
    this.#stage = "waiting";
    this.#way.pool.wait(this);
    this.#due(nowMs + this.#request.patienceMs);
  }

  #try(link: Link, nowMs: number): void {
    const { guards, pool } = this.#way;
    const { plan, method, bytes, metadata } = this.#request;
    const pass = this.#breaker.enter(nowMs);
    if (pass === undefined) return this.#fail(guards.breakers.refuse(plan.name, nowMs));
    if (this.#stage === "waiting") pool.unwait(this);
    this.#stage = "running";
    this.#tries += 1;
    markTry(metadata, { leftMs: this.#deadlineMs - nowMs, tries: this.#tries });
    this.#attempt = new Attempt(this, {
      way: this.#way,
      link,
      breaker: this.#breaker,
      pass,
      nowMs,
      method,
      path: plan.path,
    });
    this.#attempt.start(metadata, bytes);
    const hedgeAfterMs =
      this.#tries === 1 && guards.hedges.hedges(plan.name, plan.isRead)
        ? guards.hedges.began(plan.name, nowMs)
        : undefined;
    this.#due(hedgeAfterMs === undefined ? this.#deadlineMs : nowMs + hedgeAfterMs);
  }

  /** Makes the call a second time, beside the first. */
  #hedge(nowMs: number): void {
    this.#due(this.#deadlineMs);
    const first = this.#attempt;
    if (first === undefined || this.#tries !== 1) return;
    const link = this.#elsewhere(first);
    if (link === undefined || link.endpoint === first.link.endpoint) return;
    const { retries, hedges } = this.#way.guards;
    const isCalm = this.#breaker.state.kind === "closed" && !retries.isOverloaded(nowMs);
    if (!hedges.take(this.#request.plan.name, { nowMs, isCalm })) return;
    this.#slower = first;
    this.#try(link, nowMs);
  }

  /** After a try that failed, and no other runs. */
  #again(error: WeftError, status: StatusObject, nowMs: number): void {
    if (mayMove(error, status, this.#moves)) return this.#move(nowMs);
    const failed = { code: error.code, isRefused: isRefusal(status), pushBackMs: pushBackMs(status, error) };
    const verdict = this.#next(failed, nowMs);
    if ("no" in verdict) return this.#fail(error);
    this.#stage = "pausing";
    this.#due(nowMs + verdict.waitMs);
  }

  #next(failed: Pick<FailedTry, "code" | "isRefused" | "pushBackMs">, nowMs: number): RetryVerdict {
    const { plan } = this.#request;
    const remainingMs = this.#deadlineMs - nowMs;
    const isBreakerOpen = this.#breaker.isOpen(nowMs);
    const call = { method: plan.name, isSafe: plan.retryable, tries: this.#tries, remainingMs, isBreakerOpen };
    return this.#way.guards.retries.next({ ...call, ...failed }, nowMs);
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

  /** The other try was faster. */
  #loser(attempt: Attempt, nowMs: number): void {
    this.#way.guards.hedges.ended(this.#request.plan.name, nowMs - attempt.startedMs, nowMs);
    attempt.letGo("cancelled", nowMs);
  }

  #late(): void {
    const { timeoutMs } = this.#request.plan;
    this.#letGo((tookMs) => (wasGivenTime(tookMs, timeoutMs) ? "failure" : "cancelled"), true);
    this.#fail(late());
  }

  /** Another link that is well: to another instance, or a new connection to the same one. */
  #elsewhere(attempt: Attempt): Link | undefined {
    const link = this.#way.pool.find(this.#request.facts, this.#avoided().add(attempt.link.endpoint));
    return link === attempt.link || link?.isSuspect === true ? undefined : link;
  }

  #avoided(): Set<Endpoint> {
    this.#avoid ??= new Set();
    return this.#avoid;
  }

  /** Lets go of all tries that run. */
  #letGo(outcomeOfTry: (tookMs: number) => Outcome, isLate: boolean): void {
    const nowMs = this.#way.now();
    for (const attempt of [this.#attempt, this.#slower]) {
      attempt?.letGo(outcomeOfTry(nowMs - attempt.startedMs), nowMs, isLate);
    }
    this.#attempt = undefined;
    this.#slower = undefined;
  }

  #forget(attempt: Attempt): void {
    if (this.#attempt === attempt) this.#attempt = this.#slower;
    this.#slower = undefined;
  }

  #due(dueMs: number): void {
    this.dueMs = Math.min(dueMs, this.#deadlineMs);
    this.#way.pulse.moved(this);
  }

  #fail(error: WeftError): void {
    this.#end();
    this.#reject(error);
  }

  #end(): void {
    const { pool, pulse, guards } = this.#way;
    const { signal, plan } = this.#request;
    if (this.#stage === "waiting") pool.unwait(this);
    this.#stage = "ended";
    pulse.delete(this);
    guards.bulkhead.leave(plan.name);
    signal?.removeEventListener("abort", this);
  }
}
