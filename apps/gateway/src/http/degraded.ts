import type { FallbackAnswer } from "@weft/rpc";
import type { Headers } from "./answer.ts";

/**
 * What says that an answer is not the target's, or not all that it could be: `Weft-Degraded: cached`, `empty` or
 * `partial`, the age in seconds of one that was kept (RFC 9111 §5.1), and that nobody is to keep it. Nothing for others.
 */
export function degradedHeaders(instead: FallbackAnswer | undefined): Headers {
  if (instead === undefined) return {};
  const age = instead.kind === "cached" ? String(Math.floor(instead.ageMs / 1000)) : undefined;
  return { "weft-degraded": instead.kind, age, "cache-control": "no-store" };
}
