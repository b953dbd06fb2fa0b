import { errorCode, type Reason, WeftError } from "@weft/kit";
import { isKind, responseOf } from "./vendor.ts";

/**
 * What went wrong in a request, as one of ours. Total:
 * - a `WeftError` (deadline, cancellation) stays what it is;
 * - an answer with an error's status becomes what {@link reasonOfStatus} says, with Consul's text;
 * - anything with a code of Node's (refused, reset, no such host, TLS) is `UNAVAILABLE`;
 * - a body that is not what its content type says is `UNKNOWN`: whoever answered is no Consul;
 * - the rest is a bug, `INTERNAL`.
 *
 * The client's own errors are not kept as causes: they hold the request, and with it the token.
 */
export function toWeftError(error: unknown, what: string): WeftError {
  if (error instanceof WeftError) return error;
  const response = responseOf(error);
  if (response !== undefined) {
    const { statusCode, body } = response;
    const text = (typeof body === "string" || Buffer.isBuffer(body) ? String(body) : "").trim().slice(0, maxTextLength);
    return new WeftError(reasonOfStatus(statusCode, text), `${what}: Consul answered ${statusCode} ${text}`);
  }
  if (isKind(error, "isAbort")) return new WeftError("CANCELLED", `${what}: the caller gave up`);
  if (isKind(error, "isCodec")) return new WeftError("UNKNOWN", `${what}: the answer can't be read`);
  const code = errorCode(error);
  if (code !== undefined && !(error instanceof TypeError)) {
    return new WeftError("UNAVAILABLE", `${what}: Consul can't be reached (${code})`, { cause: error });
  }
  return WeftError.from(error);
}

const maxTextLength = 300;

/** What an error's status of Consul's means; `text` is its body. */
export function reasonOfStatus(status: number, text: string): Reason {
  // A token that Consul doesn't know is a mistake of this process, not a refusal to its caller.
  if (text.includes("ACL not found")) return "INVALID_CONFIGURATION";
  if (status >= 500) return "UNAVAILABLE";
  return reasonsByStatus[status] ?? "UNKNOWN";
}

const reasonsByStatus: Readonly<Record<number, Reason>> = {
  400: "INVALID_ARGUMENT",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  409: "CONFLICT",
  413: "PAYLOAD_TOO_LARGE",
  // A rate limit, or `http_max_conns_per_client`, which is 200 by default.
  429: "RESOURCE_EXHAUSTED",
};
