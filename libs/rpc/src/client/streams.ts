import type { Message } from "@bufbuild/protobuf";
import { status as codes, type StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import type { BreakerPass, Outcome } from "@weft/resilience";
import { errorOf, isLost } from "../wire/status.ts";
import { type CallRequest, Course, type CourseOwner } from "./course.ts";
import { tellMark } from "./degraded.ts";
import type { Link } from "./link.ts";
import { isTooBusy, outcomeOf, wasGivenTime } from "./outcome.ts";
import type { Requests } from "./requests.ts";
import type { Responses, ResponseSource } from "./responses.ts";
import { StreamTry, type StreamTryOwner } from "./stream-try.ts";
import type { Way } from "./way.ts";

/** A streaming call, ready to be made. */
export interface StreamRequest extends CallRequest {
  /** May be told once for each try. */
  readonly onAccepted: (() => void) | undefined;
  /** The one request, or all. */
  readonly outgoing: Buffer | Requests;
}

/**
 * A streaming call through all of its tries. It is made again before its first response only, and only as long as its
 * requests are kept. What it holds it gives back when it ends, whether anybody reads its end or not.
 */
export class StreamCall implements ResponseSource, CourseOwner, StreamTryOwner {
  readonly #request: StreamRequest;
  readonly #way: Way;
  readonly #responses: Responses;
  readonly #course: Course;
  #attempt: StreamTry | undefined;
  #hasRead = false;

  constructor(request: StreamRequest, way: Way, responses: Responses) {
    this.#request = request;
    this.#way = way;
    this.#responses = responses;
    this.#course = new Course(request, way, this);
  }

  start(): void {
    this.#course.start();
  }

  read(): void {
    this.#attempt?.read();
  }

  abandon(isIdle: boolean): void {
    // Who has just read is as content as one who reads to the end.
    this.#letGo(this.#hasRead && isIdle ? "ok" : "cancelled", this.#way.now());
    this.#end();
  }

  onPlaced(link: Link, pass: BreakerPass, nowMs: number): void {
    const { method, plan, metadata, outgoing } = this.#request;
    const { breaker } = this.#course;
    const way = this.#way;
    this.#attempt = new StreamTry(this, { way, link, breaker, pass, nowMs, method, path: plan.path, outgoing });
    this.#attempt.start(metadata);
  }

  onWake(): void {
    // Only a hedged call wants to be woken.
  }

  onGivenUp(isLate: boolean, nowMs: number): void {
    const isFailure =
      isLate &&
      this.#attempt?.hasComeAbout === false &&
      wasGivenTime(nowMs - this.#attempt.startedMs, this.#request.plan.timeoutMs);
    this.#letGo(isFailure ? "failure" : "cancelled", nowMs, isLate);
  }

  onFailed(error: WeftError): void {
    this.#stopSending();
    this.#responses.finish(error);
  }

  onAccepted(): void {
    this.#request.onAccepted?.();
  }

  onMessage(message: Message): void {
    this.#hasRead = true;
    this.#responses.push(message);
  }

  onStatus(attempt: StreamTry, status: StatusObject): void {
    const { plan, listeners } = this.#request;
    const { guards, now } = this.#way;
    const nowMs = now();
    this.#attempt = undefined;
    if (status.code === codes.OK) {
      attempt.settle("ok", nowMs);
      this.#end();
      tellMark(listeners, status.metadata);
      return this.#responses.finish();
    }
    const error = errorOf(status);
    if (!attempt.hasComeAbout) guards.retries.answered(nowMs, isTooBusy(error, status));
    // Who has begun to answer in time is not late.
    const timeoutMs = attempt.hasComeAbout ? Number.POSITIVE_INFINITY : plan.timeoutMs;
    const tookMs = nowMs - attempt.startedMs;
    attempt.settle(outcomeOf({ error, status, tookMs, timeoutMs }), nowMs, isLost(status));
    this.#course.failedAt(attempt.link, error);
    if (this.#mayBeginAgain) this.#course.again(error, status, nowMs);
    else this.#course.fail(error);
  }

  onBroken(error: WeftError, outcome: Outcome): void {
    this.#letGo(outcome, this.#way.now());
    this.#course.fail(error);
  }

  /** Goes elsewhere, if it may; else it is given up in a while. Silence is its own verdict: it counts as no failure. */
  onSuspect({ link }: StreamTry, nowMs: number): void {
    const mayMove = this.#mayBeginAgain && this.#request.plan.retryable;
    const refuge = mayMove ? this.#course.refuge(nowMs, link) : undefined;
    if (refuge !== undefined) {
      this.#letGo("cancelled", nowMs);
      this.#course.try(refuge, nowMs);
    } else if (!mayMove && link.isGone) {
      this.#letGo("cancelled", nowMs);
      this.#course.fail(new WeftError("UNAVAILABLE", "the instance has fallen silent"));
    }
  }

  get #mayBeginAgain(): boolean {
    const { outgoing } = this.#request;
    return !this.#hasRead && (Buffer.isBuffer(outgoing) || outgoing.areWhole);
  }

  #end(): void {
    this.#stopSending();
    this.#course.end();
  }

  #stopSending(): void {
    const { outgoing } = this.#request;
    if (!Buffer.isBuffer(outgoing)) outgoing.stop();
  }

  #letGo(outcome: Outcome, nowMs: number, isLate = false): void {
    this.#attempt?.letGo(outcome, nowMs, isLate);
    this.#attempt = undefined;
  }
}
