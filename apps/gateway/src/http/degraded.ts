import type { FallbackAnswer } from "@weft/rpc";
import type { Headers } from "./answer.ts";

/**
 * What says that an answer is not the target's: `Weft-Degraded: cached` or `empty`, its age in seconds (RFC 9111 §5.1),
 * and that nobody is to keep it. Nothing for an answer that is.
 */
export function degradedHeaders(instead: FallbackAnswer | undefined): Headers {
  if (instead === undefined) return {};
  const age = instead.kind === "cached" ? String(Math.floor(instead.ageMs / 1000)) : undefined;
  return { "weft-degraded": instead.kind, age, "cache-control": "no-store" };
}
