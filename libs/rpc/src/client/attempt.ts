import { type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import { type Metadata, status as codes, type StatusObject } from "@grpc/grpc-js";
import type { Breaker, BreakerPass, Outcome } from "@weft/resilience";
import type { Link, LinkedTry, RawCall } from "./link.ts";
import type { Way } from "./way.ts";

/** Whose try it is. */
export interface AttemptOwner {
  onStatus(attempt: Attempt, status: StatusObject): void;
  onSuspect(attempt: Attempt, nowMs: number): void;
}

/** One try of a unary call: its own listener on the channel, so that a call costs no emitter and no closure. */
export class Attempt implements LinkedTry {
  readonly link: Link;
  readonly startedMs: number;
  readonly raw: RawCall;
  response: Message | undefined;
  readonly #way: Way;
  readonly #breaker: Breaker;
  readonly #pass: BreakerPass;
  readonly #method: DescMethod;
  readonly #path: string;
  /** Undefined from the moment that nobody waits for it any more. */
  #owner: AttemptOwner | undefined;

  constructor(owner: AttemptOwner, { way, link, breaker, pass, nowMs, method, path }: AttemptParts) {
    this.#owner = owner;
    this.#way = way;
    this.link = link;
    this.#breaker = breaker;
    this.#pass = pass;
    this.startedMs = nowMs;
    this.#method = method;
    this.#path = path;
    this.raw = link.createCall(path);
  }

  start(metadata: Metadata, bytes: Buffer): void {
    const { link, raw } = this;
    this.#way.pool.cluster.begin(link.endpoint, this.#path);
    link.begin(this, true);
    raw.start(metadata, this);
    raw.startRead();
    raw.sendMessageWithContext({}, bytes);
    raw.halfClose();
  }

  /**
   * Counts it; whatever comes from now on is nobody's. `isLost`: the connection took it along, which is the instance's
   * fault but tells a breaker nothing: that somebody is there or not is known without one.
   */
  settle(outcome: Outcome, nowMs: number, isLost = false): void {
    this.#owner = undefined;
    const { endpoint } = this.link;
    this.link.settle();
    this.#way.pool.cluster.end(endpoint, this.#path, outcome, nowMs - this.startedMs);
    this.#breaker.leave(this.#pass, isLost ? "cancelled" : outcome, { nowMs, instance: endpoint.facts.id });
  }

  /** The same, for one that still runs. `isLate`: see {@link Link.letGo}. */
  letGo(outcome: Outcome, nowMs: number, isLate = false): void {
    this.settle(outcome, nowMs);
    this.link.letGo(this.raw, isLate);
  }

  onReceiveMetadata(): void {
    if (this.#owner !== undefined) this.link.heard();
  }

  onReceiveMessage(bytes: Buffer): void {
    if (this.#owner === undefined) return;
    const { output } = this.#method;
    try {
      this.response = fromBinary(output, bytes);
    } catch {
      this.raw.cancelWithStatus(codes.INTERNAL, `the response is not a ${output.typeName}`);
    }
  }

  onReceiveStatus(status: StatusObject): void {
    this.link.end(this);
    if (this.#owner === undefined) return;
    this.link.heard();
    this.#owner.onStatus(this, status);
  }

  onSuspect(nowMs: number): void {
    this.#owner?.onSuspect(this, nowMs);
  }
}

/** What an {@link Attempt} is made of, and any other try. */
export interface AttemptParts {
  readonly way: Way;
  readonly link: Link;
  readonly breaker: Breaker;
  readonly pass: BreakerPass;
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  readonly method: DescMethod;
  readonly path: string;
}
