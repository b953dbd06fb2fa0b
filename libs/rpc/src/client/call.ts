import { type DescMessage, type DescMethod, type Message, toBinary } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { childOf, formatTraceparent } from "@weft/telemetry";
import type { CallOptions } from "../context.ts";
import { priorityKey } from "../wire/priority.ts";

/** Milliseconds that a call has: the least of what contract, caller and parent grant. 0 or less when that is over. */
export function grantedMs(timeoutMs: number, { timeoutMs: ownMs = timeoutMs, parent }: CallOptions): number {
  const granted = Math.min(timeoutMs, ownMs);
  return parent === undefined ? granted : Math.min(granted, parent.deadline - Date.now());
}

/** What each try of a call says of itself: the time that is left, unless that is for ever, and how many came before. */
export function markTry(metadata: Metadata, { leftMs, tries }: { leftMs: number; tries: number }): void {
  if (leftMs !== Number.POSITIVE_INFINITY) metadata.set("grpc-timeout", timeoutText(leftMs));
  if (tries > 1) metadata.set("grpc-previous-rpc-attempts", String(tries - 1));
}

/** A time as `grpc-timeout` says it: at most eight digits, so seconds where milliseconds are too many. */
function timeoutText(ms: number): string {
  const whole = Math.max(1, Math.ceil(ms));
  return whole < 1e8 ? `${whole}m` : `${Math.ceil(whole / 1000)}S`;
}

/** Aborted when the caller, or the caller of the call being served, gives up. */
export function signalOf({ signal, parent }: CallOptions): AbortSignal | undefined {
  if (parent === undefined) return signal;
  return signal === undefined ? parent.signal : AbortSignal.any([signal, parent.signal]);
}

/** Trace, token, priority and the caller's own entries. */
export function metadataOf(options: CallOptions): Metadata {
  const { parent } = options;
  const trace = childOf(options.trace ?? parent?.trace);
  const authorization = options.authorization ?? parent?.authorization;
  const metadata = new Metadata();
  metadata.set("traceparent", formatTraceparent(trace));
  if (trace.state !== undefined && isHeaderText(trace.state)) metadata.set("tracestate", trace.state);
  if (authorization !== undefined) {
    if (!isHeaderText(authorization)) throw new WeftError("UNAUTHENTICATED", "the token is not valid");
    metadata.set("authorization", authorization);
  }
  const priority = options.priority ?? parent?.priority;
  if (priority !== undefined) metadata.set(priorityKey, priority);
  if (options.metadata !== undefined) {
    for (const key of Object.keys(options.metadata)) {
      const value = options.metadata[key];
      if (value !== undefined) setOwn(metadata, key, value);
    }
  }
  return metadata;
}

/** Printable ASCII: all that a gRPC header takes. */
function isHeaderText(value: string): boolean {
  return /^[ -~]*$/.test(value);
}

function setOwn(metadata: Metadata, key: string, value: string): void {
  try {
    metadata.set(key, value);
  } catch (error) {
    throw new WeftError("INVALID_ARGUMENT", `metadata ${JSON.stringify(key)} can't be sent`, { cause: error });
  }
}

/** A request as it goes over the wire; `PAYLOAD_TOO_LARGE` for one that no server would take. */
export function encodeRequest(method: DescMethod, request: Message, maxMessageBytes: number): Buffer {
  const bytes = encode(method.input, request);
  if (bytes.byteLength > maxMessageBytes) {
    throw new WeftError(
      "PAYLOAD_TOO_LARGE",
      `a ${method.input.typeName} of ${bytes.byteLength} bytes is over the limit of ${maxMessageBytes}`,
    );
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function encode(schema: DescMessage, request: Message): Uint8Array {
  try {
    return toBinary(schema, request);
  } catch (error) {
    throw new WeftError("INVALID_ARGUMENT", `the request is not a ${schema.typeName}`, { cause: error });
  }
}

/** What the end of a caller's own signal means for its call. */
export function givenUp(signal: AbortSignal): WeftError {
  const reason: unknown = signal.reason;
  if (reason instanceof WeftError) return reason;
  const late = reason instanceof Error && reason.name === "TimeoutError";
  return late
    ? new WeftError("DEADLINE_EXCEEDED", "the deadline passed", { cause: reason })
    : new WeftError("CANCELLED", "the caller gave up", { cause: reason });
}
