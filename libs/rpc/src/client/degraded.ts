import type { Metadata } from "@grpc/grpc-js";
import type { CallOptions, FallbackAnswer } from "../context.ts";
import { degradedKey, parseDegraded } from "../wire/degraded.ts";

/** Who hears of an answer that stood in for another. */
export type DegradedListeners = Pick<CallOptions, "onFallback" | "parent">;

/** Tells the caller, and marks what the call being served will answer: it is made of this one. */
export function tellDegraded({ onFallback, parent }: DegradedListeners, answer: FallbackAnswer): void {
  onFallback?.(answer);
  parent?.markDegraded?.({ kind: "partial", ageMs: answer.ageMs });
}

/** Tells of the mark that the target's own answer came with, if there is one and anybody listens. */
export function tellMark(listeners: DegradedListeners, trailers: Metadata): void {
  if (listeners.onFallback === undefined && listeners.parent?.markDegraded === undefined) return;
  const answer = parseDegraded(trailers.get(degradedKey)[0]);
  if (answer !== undefined) tellDegraded(listeners, answer);
}
