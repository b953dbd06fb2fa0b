import type { WeftError } from "@weft/kit";
import type { TraceContext } from "@weft/telemetry";
import { envelopeType, type Headers } from "./answer.ts";

/** An error as `application/problem+json` (RFC 9457). */
export function problemOf(error: WeftError, trace: TraceContext): Record<string, unknown> {
  return {
    type: `/docs/errors#${error.reason}`,
    title: titleOf(error),
    status: error.httpStatus,
    // What is our own fault is told to the log, with the trace id; a caller gets no insides.
    detail: error.code === "INTERNAL" ? "an unexpected error" : error.message,
    code: error.code,
    reason: error.reason,
    traceId: trace.traceId,
    errors: error.violations.map(({ field, description }) => ({ field, description })),
  };
}

function titleOf({ reason }: WeftError): string {
  const text = reason.toLowerCase().replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The whole answer to an error: a problem, in an envelope where that was asked for. */
export function problemAnswer(
  error: WeftError,
  { trace, envelope }: { readonly trace: TraceContext; readonly envelope: boolean },
): { readonly status: number; readonly headers: Headers; readonly body: string } {
  const problem = problemOf(error, trace);
  const { httpStatus: status, retryAfterMs } = error;
  const headers = {
    "content-type": envelope ? envelopeType : "application/problem+json",
    "cache-control": "no-store",
    "retry-after": retryAfterMs === undefined ? undefined : String(Math.max(1, Math.ceil(retryAfterMs / 1000))),
    "www-authenticate": status === 401 ? "Bearer" : undefined,
    allow: status === 405 ? error.metadata["allow"] : undefined,
  };
  const body = envelope ? { code: error.code, message: problem["detail"], data: problem } : problem;
  return { status, headers, body: JSON.stringify(body) };
}
