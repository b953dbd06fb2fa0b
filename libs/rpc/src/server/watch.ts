import { type Code, WeftError } from "@weft/kit";
import { refusedKey, statusOf, type WireStatus } from "../wire/status.ts";
import type { ServerCall } from "./call.ts";
import type { MethodPlan } from "./plan.ts";

/** Where the server logs; a pino logger fits. */
export interface CallLog {
  debug(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Spares the work of entries that nobody keeps. Default: all are kept. */
  isLevelEnabled?(level: string): boolean;
}

/** What is told of each call when it ends, for metrics. */
export interface CallInfo {
  /** `weft.user.v1.UserService/GetUser` */
  readonly method: string;
  readonly kind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";
  readonly code: Code | "OK";
  readonly durationMs: number;
}

/** A call from its start to its end, seen from outside its handler. */
export interface RunningCall {
  readonly plan: MethodPlan;
  readonly call: ServerCall;
  /** Ends it with an error now, whatever its handler does. */
  readonly end: (error: WeftError) => void;
}

/** Knows every call that runs: counts, logs, measures and drains them. */
export class CallWatch {
  readonly #running = new Set<RunningCall>();
  readonly #log: CallLog | undefined;
  readonly #onCall: ((info: CallInfo) => void) | undefined;
  #draining = false;
  #ended = false;

  constructor(options: { log: CallLog | undefined; onCall: ((info: CallInfo) => void) | undefined }) {
    this.#log = options.log;
    this.#onCall = options.onCall;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Whether all calls were ended: none begins any more. */
  get ended(): boolean {
    return this.#ended;
  }

  begin(plan: MethodPlan, call: ServerCall, end: (error: WeftError) => void): RunningCall {
    const running = { plan, call, end };
    this.#running.add(running);
    return running;
  }

  /** From now on new calls are to be refused; streams that would never end by themselves are ended. */
  drain(): void {
    this.#draining = true;
    for (const running of this.#running) if (running.plan.endless) running.end(draining());
  }

  /** Ends everything that is left. */
  endAll(): void {
    this.#ended = true;
    for (const running of this.#running) running.end(draining());
  }

  succeeded(running: RunningCall): void {
    running.call.finish();
    this.#finished(running, "OK");
  }

  /** Turns what a handler threw, or why the server ended the call, into the status that goes over the wire. */
  failed(running: RunningCall, thrown: unknown): WireStatus {
    const { call } = running;
    const error = call.givenUp ?? WeftError.from(thrown);
    call.finish();
    this.#finished(running, error.code, thrown);
    const status = statusOf(error);
    status.metadata.set("x-trace-id", call.trace.traceId);
    return status;
  }

  /** The answer to a call that came too late. */
  refused(plan: MethodPlan, call: ServerCall): WireStatus {
    const status = this.unworked(plan, call, draining());
    status.metadata.set(refusedKey, "1");
    return status;
  }

  /** The answer to a call that no handler will see. */
  unworked(plan: MethodPlan, call: ServerCall, error: WeftError): WireStatus {
    return this.failed({ plan, call, end: () => undefined }, error);
  }

  /** A call was refused before it was looked at. */
  shed(plan: MethodPlan): void {
    this.#onCall?.({ method: plan.name, kind: plan.method.methodKind, code: "RESOURCE_EXHAUSTED", durationMs: 0 });
  }

  #finished(running: RunningCall, code: Code | "OK", thrown?: unknown): void {
    this.#running.delete(running);
    const { plan, call } = running;
    const durationMs = call.ageMs;
    this.#onCall?.({ method: plan.name, kind: plan.method.methodKind, code, durationMs });
    const level = code === "INTERNAL" || code === "DATA_LOSS" ? "error" : code === "UNKNOWN" ? "warn" : "debug";
    if (this.#log === undefined || this.#log.isLevelEnabled?.(level) === false) return;
    const { traceId, spanId } = call.trace;
    const trace = { trace_id: traceId, span_id: spanId };
    const fields = { ...trace, method: plan.name, code, durationMs, subject: call.principal?.subject };
    this.#log[level](level === "debug" ? fields : { ...fields, err: causeOf(thrown) }, "call");
  }
}

function draining(): WeftError {
  return new WeftError("DRAINING", "the server is stopping");
}

function causeOf(thrown: unknown): unknown {
  return thrown instanceof WeftError && thrown.cause !== undefined ? thrown.cause : thrown;
}
