import { create, type DescMessage, fromBinary, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { type Any, anyPack, anyUnpack, durationMs, durationFromMs } from "@bufbuild/protobuf/wkt";
import { type StatusObject, Metadata, status as codes } from "@grpc/grpc-js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, StatusSchema } from "@weft/contracts/google";
import { type FieldViolation, isReason, type Reason, reasonOfCode, WeftError, type WeftErrorOptions } from "@weft/kit";
import { codeName, codeNumber } from "./codes.ts";
import { errorLimits } from "./limits.ts";

/** `domain` of the ErrorInfo that carries a reason of Weft. */
export const errorDomain = "weft";
const detailsKey = "grpc-status-details-bin";

/** 10,000 years: `google.protobuf.Duration` holds no more, either way. */
const mostDurationMs = 315_576_000_000_000;

/** Trailer that marks a refusal made before any handler ran: sending the call again elsewhere is always safe. */
export const refusedKey = "weft-refused";

/** The end of a call that failed. */
export interface WireStatus {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** How an error goes over the wire: status, and `google.rpc.Status` with its details as grpc-status-details-bin. */
export function statusOf(error: WeftError): WireStatus {
  const details = [
    anyPack(
      ErrorInfoSchema,
      create(ErrorInfoSchema, { reason: error.reason, domain: errorDomain, metadata: { ...error.metadata } }),
    ),
  ];
  if (error.violations.length > 0) {
    const fieldViolations = error.violations
      .slice(0, errorLimits.violations)
      .map(({ field, description }) => ({ field: cut(field), description: cut(description) }));
    details.push(anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations })));
  }
  if (error.retryAfterMs !== undefined) {
    const retryDelay = durationFromMs(Math.ceil(error.retryAfterMs));
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  const code = codeNumber(error.code);
  const metadata = new Metadata();
  // grpc-js throws on half a surrogate pair, which a message that was cut short may end with.
  const message = error.message.slice(0, errorLimits.messageLength).toWellFormed();
  const status = create(StatusSchema, { code, message, details });
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, status)));
  return { code, details: message, metadata };
}

/**
 * The error in a status that is not OK. With an ErrorInfo of Weft its reason; otherwise (another implementation, or
 * a failure of the connection) the reason that stands for the code. Never throws: a detail that can't be read is none.
 */
export function errorOf(status: StatusObject): WeftError {
  const options: { -readonly [K in keyof WeftErrorOptions]: WeftErrorOptions[K] } = {};
  let reason: Reason | undefined;
  const [binary] = status.metadata.get(detailsKey);
  if (Buffer.isBuffer(binary)) {
    for (const any of unpackDetails(binary)) {
      const info = unpackDetail(any, ErrorInfoSchema);
      if (info?.domain === errorDomain && isReason(info.reason)) {
        reason = info.reason;
        options.metadata = info.metadata;
      }
      const badRequest = unpackDetail(any, BadRequestSchema);
      if (badRequest !== undefined) {
        options.violations = badRequest.fieldViolations.map(({ field, description }): FieldViolation => ({
          field,
          description,
        }));
      }
      const retryInfo = unpackDetail(any, RetryInfoSchema);
      if (retryInfo?.retryDelay !== undefined) options.retryAfterMs = waitOf(durationMs(retryInfo.retryDelay));
    }
  }
  reason ??= reasonOfBare(status);
  return new WeftError(reason, status.details, options);
}

/** Whether the call ended before any handler ran: the server refused it, or it never left this side. */
export function isRefusal(status: StatusObject): boolean {
  return status.metadata.get(refusedKey).length > 0 || (unseen.test(status.details) && isBare(status));
}

/** Whether the connection broke and took the call along: nothing the server has said. */
export function isLost(status: StatusObject): boolean {
  return status.code === codes.UNAVAILABLE && lost.test(status.details) && isBare(status);
}

/** grpc-js's words for that: its own, and those of the system. */
const lost = /^(Connection dropped|(read|write) E[A-Z]+)$/;

/** grpc-js's words for a stream that the server did not take (it sent GOAWAY), and for one that could not be opened. */
const unseen = /^(Stream refused by server|Failed to start HTTP\/2 stream|No connection established|Channel closed)/;

/** What grpc-js says itself comes with no metadata; a server that passes its words on has some. */
function isBare({ metadata }: StatusObject): boolean {
  return Object.keys(metadata.getMap()).length === 0;
}

/**
 * The wait that the server asks for before the call is made again, in milliseconds: as `grpc-retry-pushback-ms`, or in
 * `RetryInfo`. NaN for a text that is no number, which means not to try again (gRFC A6).
 */
export function pushBackMs(status: StatusObject, error: WeftError): number | undefined {
  const [asked] = status.metadata.get("grpc-retry-pushback-ms");
  if (asked === undefined) return error.retryAfterMs;
  return /^-?\d+$/.test(String(asked)) ? Number(asked) : Number.NaN;
}

function cut(text: string): string {
  return text.slice(0, errorLimits.descriptionLength).toWellFormed();
}

function unpackDetails(binary: Buffer): readonly Any[] {
  try {
    return fromBinary(StatusSchema, binary).details;
  } catch {
    return []; // Another sender's idea of this header; the code alone counts then.
  }
}

/** The detail, if it is of this kind and can be read. */
function unpackDetail<Schema extends DescMessage>(any: Any, schema: Schema): MessageShape<Schema> | undefined {
  try {
    return anyUnpack(any, schema);
  } catch {
    return undefined;
  }
}

/** A wait that can be passed on: no more than `google.protobuf.Duration` may hold, whatever its sender wrote into it. */
function waitOf(ms: number): number {
  return Math.max(-mostDurationMs, Math.min(ms, mostDurationMs));
}

/** The reason in a status that says no more than a code and a text. */
function reasonOfBare({ code, details }: StatusObject): Reason {
  const name = codeName(code);
  // gRPC has one code for a message over the limit and an exhausted quota; only the text differs.
  if (name === "RESOURCE_EXHAUSTED" && /message (larger than max|that decompresses)/.test(details)) {
    return "PAYLOAD_TOO_LARGE";
  }
  // grpc-js's words for a stream that the connection took with it; no handler has spoken.
  if (name === "INTERNAL" && /^(Received RST_STREAM with code|Failed to start HTTP\/2 stream)/.test(details)) {
    return "UNAVAILABLE";
  }
  if (name === "CANCELLED" && details === "Call cancelled") return "UNAVAILABLE";
  return reasonOfCode(name);
}
