/** Response headers that a web page may read. */
const exposed =
  "ETag, Location, Retry-After, RateLimit, RateLimit-Policy, Weft-Degraded, Age, traceparent, x-trace-id, Allow";
const allowedHeaders =
  "Authorization, Content-Type, Accept, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, traceparent, tracestate";

/** Cross-origin headers for an answer. `origins` are those that may call; `*` is any. No cookies are ever read, so no credentials. */
export function corsHeaders(origins: readonly string[], origin: string | undefined): Readonly<Record<string, string>> {
  if (origins.includes("*")) return { "access-control-allow-origin": "*", "access-control-expose-headers": exposed };
  if (!mayCall(origins, origin)) return { vary: "Origin" };
  return { vary: "Origin", "access-control-allow-origin": origin, "access-control-expose-headers": exposed };
}

/** What a preflight is told, for a path that has these methods; nothing where the origin may not call. */
export function preflightHeaders(
  origins: readonly string[],
  origin: string | undefined,
  methods: readonly string[],
): Readonly<Record<string, string>> {
  if (!origins.includes("*") && !mayCall(origins, origin)) return {};
  return {
    "access-control-allow-methods": methods.join(", "),
    "access-control-allow-headers": allowedHeaders,
    "access-control-max-age": "600",
  };
}

function mayCall(origins: readonly string[], origin: string | undefined): origin is string {
  return origin !== undefined && origins.includes(origin);
}
