import type { IncomingHttpHeaders } from "node:http";
import { WeftError } from "@weft/kit";
import { childOf, formatTraceparent, parseTraceparent, type TraceContext } from "@weft/telemetry";
import { envelopeType } from "./answer.ts";
import { corsHeaders } from "./cors.ts";

/** What is known of a request before it is looked at closely; every answer, good or bad, needs it. */
export interface Exchange {
  readonly trace: TraceContext;
  /** Whether the caller asked for `{code,message,data}`. */
  readonly envelope: boolean;
  /** Those of every answer, as name, value, name, value …: trace, security, cross-origin, limits. */
  readonly headers: string[];
  /** Aborted when the process is about to stop: connections end with their answers, so that callers go elsewhere. */
  readonly leaving: AbortSignal;
}

/** What all exchanges share. */
export interface ExchangeOptions {
  readonly corsOrigins: readonly string[];
  readonly leaving: AbortSignal;
}

/** What every answer to a request with these headers needs. The caller's trace goes on; without one a trace begins. */
export function exchangeOf(headers: IncomingHttpHeaders, { corsOrigins, leaving }: ExchangeOptions): Exchange {
  const trace = childOf(parseTraceparent(oneOf(headers["traceparent"]), oneOf(headers["tracestate"])));
  const all = baseHeaders(trace);
  if (corsOrigins.length > 0) all.push(...Object.entries(corsHeaders(corsOrigins, headers.origin)).flat());
  return { trace, envelope: headers.accept?.includes(envelopeType) ?? false, headers: all, leaving };
}

/** Headers of every answer in a trace. */
export function baseHeaders(trace: TraceContext): string[] {
  return [
    "traceparent",
    formatTraceparent(trace),
    "x-trace-id",
    trace.traceId,
    "x-content-type-options",
    "nosniff",
    "x-frame-options",
    "DENY",
    "referrer-policy",
    "no-referrer",
  ];
}

/** A header's only value; undefined when it is missing or was sent more than once. */
export function oneOf(header: string | string[] | undefined): string | undefined {
  return typeof header === "string" ? header : undefined;
}

/** RFC 6750: a scheme of any case and a token68. */
const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/**
 * `Bearer …` as it is passed on; undefined without the header. Throws `UNAUTHENTICATED` for what can't be a token, or
 * where a token is `needed` and there is none. Whether the token is good is for the serving process to say.
 */
export function authorizationOf(header: string | undefined, needed: boolean): string | undefined {
  if (header === undefined) {
    if (needed) throw new WeftError("UNAUTHENTICATED", "a token is needed: Authorization: Bearer …");
    return undefined;
  }
  const token = bearer.exec(header)?.[1];
  if (token === undefined) throw new WeftError("UNAUTHENTICATED", "the Authorization header is not a bearer token");
  return `Bearer ${token}`;
}
