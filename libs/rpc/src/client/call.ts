import { type DescMessage, type DescMethod, type Message, toBinary } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { childOf, formatTraceparent } from "@weft/telemetry";
import type { CallOptions } from "../context.ts";

/** Milliseconds since the epoch: the earliest of what contract, caller and parent grant. */
export function deadlineOf(timeoutMs: number, options: CallOptions): number {
  const own = Date.now() + Math.min(timeoutMs, options.timeoutMs ?? timeoutMs);
  const { parent } = options;
  return parent === undefined ? own : Math.min(own, parent.deadline);
}

/** Aborted when the caller, or the caller of the call being served, gives up. */
export function signalOf({ signal, parent }: CallOptions): AbortSignal | undefined {
  if (parent === undefined) return signal;
  return signal === undefined ? parent.signal : AbortSignal.any([signal, parent.signal]);
}

/** Trace, token and the caller's own entries. */
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
