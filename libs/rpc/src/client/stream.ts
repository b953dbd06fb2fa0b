import { type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import { type Metadata, status as codes, type StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { errorOf } from "../wire/status.ts";
import { givenUp } from "./call.ts";
import type { RawCall } from "./target.ts";

const messagesPerTurn = 64;

/** One try of a streaming call: messages are read and written one at a time, each when the other side is ready. */
export class StreamCall {
  readonly #raw: RawCall;
  readonly #method: DescMethod;
  readonly #signal: AbortSignal | undefined;
  #status: StatusObject | undefined;
  #failure: WeftError | undefined;
  #reader: { resolve(message: Message | undefined): void; reject(error: WeftError): void } | undefined;
  #releaseWriter: (() => void) | undefined;
  #requests: AsyncIterator<Buffer> | undefined;

  constructor(raw: RawCall, method: DescMethod, signal: AbortSignal | undefined) {
    this.#raw = raw;
    this.#method = method;
    this.#signal = signal;
  }

  /** The status it failed with; undefined while it runs, when it went well, and when the reason is on this side. */
  get failedWith(): StatusObject | undefined {
    return this.#failure === undefined && this.#status?.code !== codes.OK ? this.#status : undefined;
  }

  start(metadata: Metadata, requests: AsyncIterable<Buffer>): void {
    this.#signal?.addEventListener("abort", this, { once: true });
    this.#raw.start(metadata, this);
    this.#requests = requests[Symbol.asyncIterator]();
    void this.#send(this.#requests);
  }

  /** The next response; undefined after the last. */
  read(): Promise<Message | undefined> {
    return new Promise((resolve, reject) => {
      this.#reader = { resolve, reject };
      if (this.#status === undefined) this.#raw.startRead();
      else this.#settle(this.#status);
    });
  }

  /** Lets go of whatever is still going on. */
  close(): void {
    this.#signal?.removeEventListener("abort", this);
    if (this.#status === undefined) this.#raw.cancelWithStatus(codes.CANCELLED, "the caller gave up");
    this.#stopSending();
  }

  /** The caller gave up. */
  handleEvent(): void {
    if (this.#signal !== undefined) this.#failure ??= givenUp(this.#signal);
    this.#raw.cancelWithStatus(codes.CANCELLED, "the caller gave up");
  }

  onReceiveMetadata(): void {
    // Nothing of interest is sent ahead of the first response.
  }

  onReceiveMessage(bytes: Buffer): void {
    const { output } = this.#method;
    try {
      const message = fromBinary(output, bytes);
      this.#reader?.resolve(message);
      this.#reader = undefined;
    } catch (error) {
      this.#abandon(new WeftError("INTERNAL", `the response is not a ${output.typeName}`, { cause: error }));
    }
  }

  onReceiveStatus(status: StatusObject): void {
    this.#status = status;
    this.#signal?.removeEventListener("abort", this);
    this.#stopSending();
    this.#settle(status);
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
      if (this.#status === undefined) this.#raw.halfClose();
    } catch (error) {
      this.#abandon(WeftError.from(error));
    }
  }

  /** Resolves when the transport has taken the message, which it does as fast as the other side reads. */
  #write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => {
      this.#releaseWriter = resolve;
      this.#raw.sendMessageWithContext({ callback: () => resolve() }, bytes);
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
    if (this.#status === undefined) this.#raw.cancelWithStatus(codes.CANCELLED, error.message);
  }
}
