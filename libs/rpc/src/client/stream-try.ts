import { fromBinary, type Message } from "@bufbuild/protobuf";
import { type Metadata, status as codes, type StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import type { Outcome } from "@weft/resilience";
import type { AttemptParts } from "./attempt.ts";
import type { Link, LinkedTry, RawCall } from "./link.ts";
import type { Requests } from "./requests.ts";

const messagesPerTurn = 64;

/** Whose try it is. Told nothing more once it has settled the try, or let go of it. */
export interface StreamTryOwner {
  /** The target has begun to answer. */
  onAccepted(): void;
  onMessage(message: Message): void;
  onStatus(attempt: StreamTry, status: StatusObject): void;
  /** It can't go on, for a reason on this side. `outcome`: what that says of the instance. */
  onBroken(error: WeftError, outcome: Outcome): void;
  /** The instance is silent; told again and again. */
  onSuspect(attempt: StreamTry, nowMs: number): void;
}

/** What a {@link StreamTry} is made of. */
export interface StreamTryParts extends AttemptParts {
  /** The one request of a call, whose answer is to begin soon; the requests of any other. */
  readonly outgoing: Buffer | Requests;
}

/** One try of a streaming call: messages are read and written one at a time, each when the other side is ready. */
export class StreamTry implements LinkedTry {
  readonly link: Link;
  readonly startedMs: number;
  readonly raw: RawCall;
  readonly #parts: StreamTryParts;
  /** Undefined from the moment that nobody waits for it any more. */
  #owner: StreamTryOwner | undefined;
  #hasComeAbout = false;
  #releaseWriter: (() => void) | undefined;

  constructor(owner: StreamTryOwner, parts: StreamTryParts) {
    this.#owner = owner;
    this.#parts = parts;
    this.link = parts.link;
    this.startedMs = parts.nowMs;
    this.raw = parts.link.createCall(parts.path);
  }

  /** Whether the target has begun to answer: what it does from then on may take its time. */
  get hasComeAbout(): boolean {
    return this.#hasComeAbout;
  }

  /** Its first message is read at once, each one after that when it is asked for. */
  start(metadata: Metadata): void {
    const { way, outgoing } = this.#parts;
    way.pool.cluster.beginStream(this.link.endpoint);
    this.link.begin(this, this.#isWaiting);
    this.raw.start(metadata, this);
    this.raw.startRead();
    if (Buffer.isBuffer(outgoing)) {
      this.raw.sendMessageWithContext({}, outgoing);
      this.raw.halfClose();
    } else {
      void this.#send(outgoing.reader());
    }
  }

  /** Wants the next message. */
  read(): void {
    this.raw.startRead();
  }

  /** Counts it; whatever comes from now on is nobody's. `isLost`: the connection took it along, see `Attempt`. */
  settle(outcome: Outcome, nowMs: number, isLost = false): void {
    this.#owner = undefined;
    this.#parts.way.pool.cluster.endStream(this.link.endpoint, outcome);
    if (!this.#hasComeAbout) this.#judge(isLost ? "cancelled" : outcome, nowMs);
    this.#releaseWriter?.();
  }

  /** The same, for one that still runs. `isLate`: see {@link Link.letGo}. */
  letGo(outcome: Outcome, nowMs: number, isLate = false): void {
    this.settle(outcome, nowMs);
    this.link.letGo(this.raw, isLate);
  }

  onReceiveMetadata(): void {
    if (this.#owner === undefined) return;
    this.#comeAbout();
    this.#owner.onAccepted();
  }

  onReceiveMessage(bytes: Buffer): void {
    if (this.#owner === undefined) return;
    this.#comeAbout();
    const { output } = this.#parts.method;
    let message: Message;
    try {
      message = fromBinary(output, bytes);
    } catch (cause) {
      const error = new WeftError("INTERNAL", `the response is not a ${output.typeName}`, { cause });
      return this.#owner.onBroken(error, "failure");
    }
    this.#owner.onMessage(message);
  }

  onReceiveStatus(status: StatusObject): void {
    this.link.end(this);
    if (this.#owner === undefined) return;
    if (status.code === codes.OK) this.#comeAbout();
    else this.link.heard();
    this.#owner.onStatus(this, status);
  }

  onSuspect(nowMs: number): void {
    this.#owner?.onSuspect(this, nowMs);
  }

  get #isWaiting(): boolean {
    return Buffer.isBuffer(this.#parts.outgoing);
  }

  /** The target answers. A long stream ends much later than those have to know whether it comes about. */
  #comeAbout(): void {
    this.link.heard();
    if (this.#hasComeAbout) return;
    const { outgoing, way } = this.#parts;
    if (!Buffer.isBuffer(outgoing)) outgoing.forget();
    const { guards, now } = way;
    const nowMs = now();
    guards.retries.answered(nowMs, false);
    this.#judge("ok", nowMs);
  }

  #judge(outcome: Outcome, nowMs: number): void {
    const { breaker, pass } = this.#parts;
    this.#hasComeAbout = true;
    if (this.#isWaiting) this.link.settle();
    breaker.leave(pass, outcome, { nowMs, instance: this.link.endpoint.facts.id });
  }

  async #send(pull: () => Promise<IteratorResult<Buffer>>): Promise<void> {
    try {
      let sinceTurn = 0;
      for (let next = await pull(); !next.done; next = await pull()) {
        if (this.#owner === undefined) return;
        await this.#write(next.value);
        // grpc-js takes the first mebibyte at once, ahead of the network's events: those must have their turn.
        if ((sinceTurn += 1) % messagesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      if (this.#owner !== undefined) this.raw.halfClose();
    } catch (error) {
      this.#owner?.onBroken(WeftError.from(error), "cancelled");
    }
  }

  /** Resolves when the transport has taken the message, which it does as fast as the other side reads. */
  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#releaseWriter = resolve;
      this.raw.sendMessageWithContext({ callback: () => resolve() }, bytes);
    });
  }
}
