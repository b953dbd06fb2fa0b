import { type DescMethod, fromBinary, type Message } from "@bufbuild/protobuf";
import { type Metadata, status as codes, type StatusObject } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { errorOf } from "../wire/status.ts";
import type { RetryBudget } from "./budget.ts";
import { givenUp } from "./call.ts";
import type { ClientPlan } from "./plan.ts";
import { retryAfter } from "./retry.ts";
import type { RawCall, Target } from "./target.ts";

/** A unary call, ready to be made. */
export interface UnaryRequest {
  readonly method: DescMethod;
  readonly plan: ClientPlan;
  readonly bytes: Buffer;
  readonly metadata: Metadata;
  readonly deadline: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * A unary call through all of its tries. It is its own listener on the channel: a client of grpc-js would add an
 * emitter, a captured stack and two layers of interceptors to each call.
 */
export class UnaryCall {
  readonly #request: UnaryRequest;
  readonly #target: Target;
  readonly #budget: RetryBudget;
  readonly #resolve: (response: Message) => void;
  readonly #reject: (error: WeftError) => void;
  #raw: RawCall | undefined;
  #response: Message | undefined;
  #tries = 0;
  /** Runs between two tries. */
  #pause: NodeJS.Timeout | undefined;

  constructor(
    request: UnaryRequest,
    way: { readonly target: Target; readonly budget: RetryBudget },
    resolve: (response: Message) => void,
    reject: (error: WeftError) => void,
  ) {
    this.#request = request;
    this.#target = way.target;
    this.#budget = way.budget;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  start(): void {
    const { signal } = this.#request;
    if (signal?.aborted) return this.#reject(givenUp(signal));
    signal?.addEventListener("abort", this);
    this.#begin();
  }

  /** The caller gave up. */
  handleEvent(): void {
    const { signal } = this.#request;
    if (this.#pause === undefined || signal === undefined) {
      return this.#raw?.cancelWithStatus(codes.CANCELLED, "the caller gave up");
    }
    clearTimeout(this.#pause);
    this.#fail(givenUp(signal));
  }

  onReceiveMetadata(): void {
    // Nothing of interest is sent ahead of the response.
  }

  onReceiveMessage(bytes: Buffer): void {
    const { output } = this.#request.method;
    try {
      this.#response = fromBinary(output, bytes);
    } catch {
      this.#raw?.cancelWithStatus(codes.INTERNAL, `the response is not a ${output.typeName}`);
    }
  }

  onReceiveStatus(status: StatusObject): void {
    if (status.code !== codes.OK) return this.#failed(status);
    if (this.#response === undefined) return this.#fail(new WeftError("UNKNOWN", "no response came"));
    this.#request.signal?.removeEventListener("abort", this);
    this.#resolve(this.#response);
  }

  #begin(): void {
    if (this.#target.ready) return this.#try();
    this.#target.untilReady(this.#request.deadline, this.#request.signal).then(
      () => this.#try(),
      (error: unknown) => this.#fail(WeftError.from(error)),
    );
  }

  #try(): void {
    const { plan, bytes, metadata, deadline, signal } = this.#request;
    if (signal?.aborted) return this.#fail(givenUp(signal));
    this.#tries += 1;
    const raw = this.#target.call(plan.path, deadline);
    this.#raw = raw;
    raw.start(metadata, this);
    raw.startRead();
    raw.sendMessageWithContext({}, bytes);
    raw.halfClose();
  }

  #failed(status: StatusObject): void {
    const { plan, deadline, signal } = this.#request;
    if (signal?.aborted) return this.#fail(givenUp(signal));
    const error = errorOf(status);
    const waitMs = retryAfter({ status, error, tries: this.#tries, deadline }, plan, this.#budget);
    if (waitMs === undefined) return this.#fail(error);
    this.#pause = setTimeout(() => {
      this.#pause = undefined;
      this.#begin();
    }, waitMs);
  }

  #fail(error: WeftError): void {
    this.#request.signal?.removeEventListener("abort", this);
    this.#reject(error);
  }
}
