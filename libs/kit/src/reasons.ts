/** Canonical names of gRPC's status codes. */
export type Code =
  | "CANCELLED"
  | "UNKNOWN"
  | "INVALID_ARGUMENT"
  | "DEADLINE_EXCEEDED"
  | "NOT_FOUND"
  | "ALREADY_EXISTS"
  | "PERMISSION_DENIED"
  | "RESOURCE_EXHAUSTED"
  | "FAILED_PRECONDITION"
  | "ABORTED"
  | "OUT_OF_RANGE"
  | "UNIMPLEMENTED"
  | "INTERNAL"
  | "UNAVAILABLE"
  | "DATA_LOSS"
  | "UNAUTHENTICATED";

interface ReasonRow {
  readonly code: Code;
  readonly retryable: boolean;
  readonly httpStatus: number;
  /** For `docs/reference/errors.md`. */
  readonly meaning: string;
}

function row(code: Code, httpStatus: number, retryable: boolean, meaning: string): ReasonRow {
  return { code, httpStatus, retryable, meaning };
}

/** Every reason that Weft gives. `docs/reference/errors.md` is compared with this table by a test. */
export const reasons = {
  // Input
  INVALID_ARGUMENT: row("INVALID_ARGUMENT", 400, false, "The input breaks a rule of the contract."),
  MALFORMED_JSON: row("INVALID_ARGUMENT", 400, false, "The body is not JSON, or not of the message's shape."),
  UNKNOWN_FIELD: row("INVALID_ARGUMENT", 400, false, "The input has a field that the contract does not know."),
  INVALID_FILTER: row(
    "INVALID_ARGUMENT",
    400,
    false,
    "The filter, order or field list can't be parsed or names an unknown field.",
  ),
  INVALID_PAGE_TOKEN: row("INVALID_ARGUMENT", 400, false, "The page token was not issued for this request."),
  INVALID_ETAG: row("INVALID_ARGUMENT", 400, false, "The etag is not of a form that was ever issued."),
  PAYLOAD_TOO_LARGE: row("INVALID_ARGUMENT", 413, false, "The body, a line or a message is over the limit."),
  URI_TOO_LONG: row("INVALID_ARGUMENT", 414, false, "The URL is over the limit."),
  HEADERS_TOO_LARGE: row("INVALID_ARGUMENT", 431, false, "The headers together are over the limit."),
  REQUEST_TIMEOUT: row("DEADLINE_EXCEEDED", 408, true, "The request did not arrive in time."),
  UNSUPPORTED_MEDIA_TYPE: row("INVALID_ARGUMENT", 415, false, "The content type is not one that the route takes."),
  METHOD_NOT_ALLOWED: row("UNIMPLEMENTED", 405, false, "The route exists, but not with this HTTP method."),
  // State
  NOT_FOUND: row("NOT_FOUND", 404, false, "There is no such thing."),
  ROUTE_NOT_FOUND: row("NOT_FOUND", 404, false, "There is no such route."),
  ALREADY_EXISTS: row("ALREADY_EXISTS", 409, false, "Something with this identity exists already."),
  ETAG_MISMATCH: row("ABORTED", 409, false, "It changed since the etag was read."),
  PRECONDITION_FAILED: row("ABORTED", 412, false, "It changed since the etag in If-Match was read."),
  FAILED_PRECONDITION: row("FAILED_PRECONDITION", 400, false, "The state of things does not allow it."),
  IDEMPOTENCY_CONFLICT: row("FAILED_PRECONDITION", 422, false, "The idempotency key was used for another request."),
  CONFLICT: row("ABORTED", 409, true, "Another writer was faster; read again and retry."),
  LEASE_LOST: row("FAILED_PRECONDITION", 409, false, "The lease expired or was taken over."),
  STALE_VERSION: row("FAILED_PRECONDITION", 409, false, "A newer version is stored already."),
  // Who
  UNAUTHENTICATED: row("UNAUTHENTICATED", 401, false, "There is no token, or not a valid one."),
  TOKEN_EXPIRED: row("UNAUTHENTICATED", 401, false, "The token has expired."),
  BAD_CREDENTIALS: row("UNAUTHENTICATED", 401, false, "The e-mail address and password do not match."),
  PERMISSION_DENIED: row("PERMISSION_DENIED", 403, false, "The caller is known and may not do this."),
  // Limits and weather
  RESOURCE_EXHAUSTED: row("RESOURCE_EXHAUSTED", 429, true, "A limit on rate, concurrency or space is reached."),
  RATE_LIMITED: row("RESOURCE_EXHAUSTED", 429, true, "The caller made more calls than its rate limit allows."),
  BULKHEAD_FULL: row(
    "RESOURCE_EXHAUSTED",
    503,
    true,
    "As many calls as one target may hold are under way; this one was not sent.",
  ),
  UNAVAILABLE: row("UNAVAILABLE", 503, true, "The target can't be reached or is not ready."),
  BREAKER_OPEN: row("UNAVAILABLE", 503, true, "The target failed too often and is left alone; the call was not sent."),
  DRAINING: row("UNAVAILABLE", 503, true, "The process is stopping; another replica will answer."),
  DEADLINE_EXCEEDED: row("DEADLINE_EXCEEDED", 504, true, "The deadline passed before there was an answer."),
  CANCELLED: row("CANCELLED", 499, false, "The caller gave up."),
  // Ours
  UNIMPLEMENTED: row("UNIMPLEMENTED", 501, false, "Declared, but not built or not supported by this adapter."),
  INVALID_CONFIGURATION: row("FAILED_PRECONDITION", 500, false, "A setting is missing, unknown or malformed."),
  DATA_LOSS: row("DATA_LOSS", 500, false, "Stored data can't be read back."),
  UNKNOWN: row("UNKNOWN", 500, false, "Another system failed in a way that it did not explain."),
  INTERNAL: row("INTERNAL", 500, false, "A bug. The log has the cause under the trace id."),
} as const satisfies Record<string, ReasonRow>;

/** A key of the table of reasons. */
export type Reason = keyof typeof reasons;

/** The reason that stands for a code when its sender gave none. */
export function reasonOfCode(code: Code): Reason {
  if (code in reasons) return code as Reason;
  switch (code) {
    case "ABORTED":
      return "CONFLICT";
    case "OUT_OF_RANGE":
      return "INVALID_ARGUMENT";
    default:
      return "UNKNOWN";
  }
}

/** Whether `text` is a reason of the table. */
export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}
