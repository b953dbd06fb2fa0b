import { type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import { Metadata, status as codes, type StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { errorOf } from "../wire/status.ts";
import { givenUp } from "./call.ts";
import type { Link, LinkedTry, RawCall } from "./link.ts";
import type { Pulse, Timed } from "./pulse.ts";

const messagesPerTurn = 64;

/** What a {@link StreamCall} is made of. */
export interface StreamParts {
  readonly link: Link;
  readonly path: string;
  readonly method: DescMethod;
  readonly pulse: Pulse;
  /** Monotonic milliseconds, or `Infinity`. */
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
  /** Whether the call may be made elsewhere, and there is an elsewhere; asked as long as nothing has been read. */
  readonly mayMove: () => boolean;
  /** The target has begun to answer. */
  readonly onAccepted: (() => void) | undefined;
}

/** One try of a streaming call: messages are read and written one at a time, each when the other side is ready. */
export class StreamCall implements LinkedTry, Timed {
  readonly raw: RawCall;
  readonly dueMs: number;
  readonly #parts: StreamParts;
  #hasRead = false;
  #status: StatusObject | undefined;
  #failure: WeftError | undefined;
  #reader: { resolve(message: Message | undefined): void; reject(error: WeftError): void } | undefined;
  #releaseWriter: (() => void) | undefined;
  #requests: AsyncIterator<Buffer> | undefined;

  constructor(parts: StreamParts) {
    this.#parts = parts;
    this.raw = parts.link.createCall(parts.path);
    this.dueMs = parts.deadlineMs;
  }

  /** The status it failed with; undefined while it runs, when it went well, and when the reason is on this side. */
  get failedWith(): StatusObject | undefined {
    return this.#failure === undefined && this.#status?.code !== codes.OK ? this.#status : undefined;
  }

  start(metadata: Metadata, requests: AsyncIterable<Buffer>): void {
    this.#parts.signal?.addEventListener("abort", this, { once: true });
    this.#parts.link.begin(this, false);
    this.#parts.pulse.add(this);
    this.raw.start(metadata, this);
    this.#requests = requests[Symbol.asyncIterator]();
    void this.#send(this.#requests);
  }

  /** The next response; undefined after the last. */
  read(): Promise<Message | undefined> {
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      if (this.#status === undefined) this.raw.startRead();
      else this.#settle(this.#status);
    });
  }

  /** Lets go of whatever is still going on. */
  close(): void {
    this.#letGo("the caller gave up");
    this.#stopSending();
  }

  /** The caller gave up. */
  handleEvent(): void {
    const { signal } = this.#parts;
    if (signal === undefined || this.#status !== undefined) return;
    this.#failure ??= givenUp(signal);
    this.#letGo("the caller gave up");
  }

  /** The deadline has passed. */
  onDue(): void {
    this.#letGo("the deadline passed", { code: codes.DEADLINE_EXCEEDED, isLate: true });
  }

  onSuspect(): void {
    if (this.#hasRead || !this.#parts.mayMove()) return;
    this.#letGo("the instance is silent", { code: codes.UNAVAILABLE });
  }

  onReceiveMetadata(): void {
    this.#parts.link.heard();
    if (this.#status === undefined) this.#parts.onAccepted?.();
  }

  onReceiveMessage(bytes: Buffer): void {
    if (this.#status !== undefined) return;
    this.#parts.link.heard();
    this.#hasRead = true;
    const { output } = this.#parts.method;
    try {
      const message = fromBinary(output, bytes);
      this.#reader?.resolve(message);
      this.#reader = undefined;
    } catch (error) {
      this.#abandon(new WeftError("INTERNAL", `the response is not a ${output.typeName}`, { cause: error }));
    }
  }

  onReceiveStatus(status: StatusObject): void {
    this.#parts.link.end(this);
    if (this.#status === undefined) this.#finish(status);
  }

  #finish(status: StatusObject): void {
    this.#status = status;
    this.#parts.pulse.delete(this);
    this.#parts.signal?.removeEventListener("abort", this);
    this.#stopSending();
    this.#settle(status);
  }

  /** Ends the call on this side at once, and on the other as soon as it may be. */
  #letGo(details: string, { code = codes.CANCELLED, isLate = false } = {}): void {
    if (this.#status !== undefined) return;
    this.#finish({ code, details, metadata: new Metadata() });
    this.#parts.link.letGo(this.raw, isLate);
  }

  #settle(status: StatusObject): void {
    const reader = this.#reader;
    this.#reader = undefined;
    if (this.#failure !== undefined) reader?.reject(this.#failure);
    else if (status.code === codes.OK) reader?.resolve(undefined);
    else reader?.reject(errorOf(status));
  }

  async #send(requests: AsyncIterator<Buffer>): Promise<void> {
    try {
      let sinceTurn = 0;
      for (let next = await requests.next(); !next.done; next = await requests.next()) {
        if (this.#status !== undefined) return;
        await this.#write(next.value);
        // grpc-js takes the first mebibyte at once, ahead of the network's events: those must have their turn.
        if ((sinceTurn += 1) % messagesPerTurn === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      if (this.#status === undefined) this.raw.halfClose();
    } catch (error) {
      this.#abandon(WeftError.from(error));
    }
  }

  /** Resolves when the transport has taken the message, which it does as fast as the other side reads. */
  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#releaseWriter = resolve;
      this.raw.sendMessageWithContext({ callback: () => resolve() }, bytes);
    });
  }

  #stopSending(): void {
    const requests = this.#requests;
    this.#requests = undefined;
    this.#releaseWriter?.();
    if (requests?.return !== undefined) void requests.return().catch(() => undefined);
  }

  /** Fails on this side: the caller's requests broke, or the response can't be read. */
  #abandon(error: WeftError): void {
    this.#failure ??= error;
    this.#letGo(error.message);
  }
}
