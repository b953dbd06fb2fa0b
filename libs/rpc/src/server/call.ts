import { Metadata, type ServerUnaryCall } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import type { Priority } from "@weft/resilience";
import type { Principal } from "@weft/security";
import { childOf, parseTraceparent, type TraceContext } from "@weft/telemetry";
import type { CallContext, FallbackAnswer } from "../context.ts";
import { bothDegraded, degradedKey, formatDegraded } from "../wire/degraded.ts";
import { priorityKey, priorityOf } from "../wire/priority.ts";
import type { ServerLoad } from "./load.ts";
import type { MethodPlan } from "./plan.ts";

/** The part that all four kinds of grpc-js's server calls share. */
export type RawCall = Pick<
  ServerUnaryCall<Buffer, Buffer>,
  "metadata" | "cancelled" | "getDeadline" | "sendMetadata"
> & {
  on(event: "cancelled", listener: () => void): unknown;
};

/**
 * The context of a call as its handler sees it. The signal, the trace and the metadata are made when they are first
 * asked for: most calls never ask, and an AbortSignal alone costs more than the rest of the pipeline.
 */
export class ServerCall implements CallContext {
  readonly deadline: number;
  principal: Principal | undefined = undefined;
  readonly #raw: RawCall;
  readonly #plan: MethodPlan;
  readonly #load: ServerLoad;
  readonly #cameMs: number;
  #controller: AbortController | undefined;
  #trace: TraceContext | undefined;
  #metadata: ReadonlyMap<string, string> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #finished = false;
  #workedSinceMs: number | undefined;
  #toldMs: number | undefined;
  #mark: FallbackAnswer | undefined;

  constructor(raw: RawCall, plan: MethodPlan, load: ServerLoad) {
    this.#raw = raw;
    this.#plan = plan;
    this.#load = load;
    this.#cameMs = load.nowMs;
    this.deadline = Math.min(Number(raw.getDeadline()), Date.now() + plan.timeoutMs);
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#raw.cancelled) this.#onCancelled();
      else this.#raw.on("cancelled", () => this.#onCancelled());
    }
    return this.#controller.signal;
  }

  get trace(): TraceContext {
    this.#trace ??= childOf(parseTraceparent(this.#text("traceparent"), this.#text("tracestate")));
    return this.#trace;
  }

  get authorization(): string | undefined {
    return this.#text("authorization");
  }

  get priority(): Priority {
    return priorityOf(this.#text(priorityKey)) ?? this.#plan.priority;
  }

  get degraded(): boolean {
    return this.#load.degraded;
  }

  get metadata(): ReadonlyMap<string, string> {
    this.#metadata ??= textsOf(this.#raw.metadata);
    return this.#metadata;
  }

  accept(): void {
    if (!this.#finished) this.#raw.sendMetadata(new Metadata());
  }

  markDegraded(answer: FallbackAnswer): void {
    this.#mark = bothDegraded(this.#mark, answer);
  }

  /** What is said of a good answer at its end; undefined for nothing, as nearly always. */
  get trailers(): Metadata | undefined {
    if (this.#mark === undefined) return undefined;
    const trailers = new Metadata();
    trailers.set(degradedKey, formatDegraded(this.#mark));
    return trailers;
  }

  /** True once the call has its answer, and what happens to the connection is no cancellation any more. */
  get finished(): boolean {
    return this.#finished;
  }

  /** Why nobody waits for the answer any more; undefined while somebody does. */
  get givenUp(): WeftError | undefined {
    if (!this.#raw.cancelled) return undefined;
    // grpc-js cancels a call at its deadline too; its timer may be a millisecond early.
    return Date.now() + 1 >= this.deadline ? deadlinePassed() : new WeftError("CANCELLED", "the caller gave up");
  }

  /** Why not to begin: nobody waits any more, or the deadline passed while the call waited for its turn. */
  get lost(): WeftError | undefined {
    return this.givenUp ?? (Date.now() >= this.deadline ? deadlinePassed() : undefined);
  }

  /** Whether the deadline comes from the contract alone, so that grpc-js has no timer for it. */
  get needsTimer(): boolean {
    return this.deadline < Number(this.#raw.getDeadline());
  }

  /** Since it came, waiting for its turn included, in milliseconds. */
  get ageMs(): number {
    return this.#load.nowMs - this.#cameMs;
  }

  /** Has `onLate` called when the deadline passes, unless the call has finished by then. */
  armDeadline(onLate: (error: WeftError) => void): void {
    const remainingMs = this.deadline - Date.now();
    if (remainingMs <= longestTimerMs) this.#timer = setTimeout(() => onLate(deadlinePassed()), remainingMs);
  }

  /** The handler of a unary call begins. */
  work(): void {
    this.#workedSinceMs = this.#load.nowMs;
    // A handler may go on for long after its caller has gone; that it is slow has to be known by then.
    this.#raw.on("cancelled", () => this.#measure(false));
  }

  finish(): void {
    this.#measure(true);
    this.#finished = true;
    clearTimeout(this.#timer);
  }

  /** Tells the handler to stop. */
  abort(reason: WeftError): void {
    this.#controller?.abort(reason);
  }

  /** Tells what the handler took: when its caller has gone, and at its end. */
  #measure(isOver: boolean): void {
    if (this.#workedSinceMs === undefined) return;
    const tookMs = this.#load.nowMs - this.#workedSinceMs;
    this.#load.worked(this.#plan, { tookMs, toldMs: this.#toldMs, isComplete: this.givenUp === undefined });
    this.#toldMs = tookMs;
    if (isOver) this.#workedSinceMs = undefined;
  }

  #onCancelled(): void {
    if (!this.#finished) this.abort(this.givenUp ?? new WeftError("CANCELLED", "the caller gave up"));
  }

  #text(key: string): string | undefined {
    const value = this.#raw.metadata.get(key)[0];
    return typeof value === "string" ? value : undefined;
  }
}

const longestTimerMs = 2 ** 31 - 1;

function deadlinePassed(): WeftError {
  return new WeftError("DEADLINE_EXCEEDED", "the deadline passed");
}

function textsOf(metadata: Metadata): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  for (const [key, value] of Object.entries(metadata.getMap())) {
    if (typeof value === "string") texts.set(key, value);
  }
  return texts;
}
