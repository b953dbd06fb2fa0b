import type { Message } from "@bufbuild/protobuf";
import { status as codes, type StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import type { BreakerPass, Outcome } from "@weft/resilience";
import { errorOf, isLost } from "../wire/status.ts";
import { Attempt, type AttemptOwner } from "./attempt.ts";
import { type CallRequest, Course, type CourseOwner } from "./course.ts";
import { tellMark } from "./degraded.ts";
import type { Link } from "./link.ts";
import { isTooBusy, outcomeOf, wasGivenTime } from "./outcome.ts";
import type { Way } from "./way.ts";

/** A unary call, ready to be made. */
export interface UnaryRequest extends CallRequest {
  readonly bytes: Buffer;
}

/** A unary call through all of its tries: one after the other, or two at a time when it is hedged. */
export class UnaryCall implements AttemptOwner, CourseOwner {
  readonly #request: UnaryRequest;
  readonly #way: Way;
  readonly #course: Course;
  readonly #resolve: (response: Message) => void;
  readonly #reject: (error: WeftError) => void;
  #attempt: Attempt | undefined;
  /** The try that was hedged, and runs beside the other. */
  #slower: Attempt | undefined;

  constructor(
    request: UnaryRequest,
    way: Way,
    resolve: (response: Message) => void,
    reject: (error: WeftError) => void,
  ) {
    this.#request = request;
    this.#way = way;
    this.#course = new Course(request, way, this);
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    this.#course.start();
  }

  onPlaced(link: Link, pass: BreakerPass, nowMs: number): void {
    const { hedges } = this.#way.guards;
    const { plan, method, bytes, metadata } = this.#request;
    const { breaker, tries } = this.#course;
    this.#attempt = new Attempt(this, { way: this.#way, link, breaker, pass, nowMs, method, path: plan.path });
    this.#attempt.start(metadata, bytes);
    if (tries !== 1 || !hedges.hedges(plan.name, plan.isRead)) return;
    const afterMs = hedges.began(plan.name, nowMs);
    if (afterMs !== undefined) this.#course.wake(nowMs + afterMs);
  }

  onFailed(error: WeftError): void {
    this.#reject(error);
  }

  onGivenUp(isLate: boolean, nowMs: number): void {
    const { timeoutMs } = this.#request.plan;
    this.#letGo((tookMs) => (isLate && wasGivenTime(tookMs, timeoutMs) ? "failure" : "cancelled"), isLate, nowMs);
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
      this.#course.end();
      tellMark(this.#request.listeners, status.metadata);
      return this.#resolve(attempt.response);
    }
    const error = status.code === codes.OK ? new WeftError("UNKNOWN", "no response came") : errorOf(status);
    guards.retries.answered(nowMs, isTooBusy(error, status));
    const outcome = outcomeOf({ error, status, tookMs, timeoutMs: plan.timeoutMs });
    attempt.settle(outcome, nowMs, isLost(status));
    this.#forget(attempt);
    this.#course.failedAt(attempt.link, error);
    if (this.#attempt === undefined) return this.#course.again(error, status, nowMs);
    if (outcome !== "ok") return;
    // The other try would be told the same.
    this.#loser(this.#attempt, nowMs);
    this.#course.fail(error);
  }

  /** Who is stuck on a silent instance, or hedged on two of them, goes elsewhere, if it may. */
  onSuspect(attempt: Attempt, nowMs: number): void {
    const other = attempt === this.#attempt ? this.#slower : this.#attempt;
    if (other?.link.isSuspect === false) return;
    const link = this.#course.refuge(nowMs, attempt.link, other?.link);
    if (link === undefined) return;
    // Silence is its own verdict: who answers again takes calls again.
    this.#letGo(() => "cancelled", false, nowMs);
    this.#course.try(link, nowMs);
  }

  /** Makes the call a second time, beside the first. */
  onWake(nowMs: number): void {
    const first = this.#attempt;
    if (first === undefined || this.#course.tries !== 1) return;
    const link = this.#course.elsewhere(first.link);
    if (link === undefined || link.endpoint === first.link.endpoint) return;
    const { retries, hedges } = this.#way.guards;
    const isCalm = this.#course.breaker.state.kind === "closed" && !retries.isOverloaded(nowMs);
    if (!hedges.take(this.#request.plan.name, { nowMs, isCalm })) return;
    this.#slower = first;
    this.#course.try(link, nowMs);
  }

  /** The other try was faster. */
  #loser(attempt: Attempt, nowMs: number): void {
    this.#way.guards.hedges.ended(this.#request.plan.name, nowMs - attempt.startedMs, nowMs);
    attempt.letGo("cancelled", nowMs);
  }

  /** Lets go of all tries that run. */
  #letGo(outcomeOfTry: (tookMs: number) => Outcome, isLate: boolean, nowMs: number): void {
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
}
