import type { FallbackAnswer } from "../context.ts";

/** Trailer of an answer that is not all that it could be: what stood in, and how old that is (`cached; age-ms=3000`). */
export const degradedKey = "weft-degraded";

export function formatDegraded({ kind, ageMs }: FallbackAnswer): string {
  return ageMs > 0 ? `${kind}; age-ms=${Math.round(ageMs)}` : kind;
}

/** Undefined for what is no such mark. */
export function parseDegraded(text: unknown): FallbackAnswer | undefined {
  const found = typeof text === "string" ? /^(\w+)(?:; age-ms=(\d{1,15}))?$/.exec(text) : null;
  const kind = kinds.find((one) => one === found?.[1]);
  return kind && { kind, ageMs: Number(found?.[2] ?? 0) };
}

/** What both say of an answer that is made of two that stood in. */
export function bothDegraded(one: FallbackAnswer | undefined, other: FallbackAnswer): FallbackAnswer {
  if (one === undefined) return other;
  return { kind: one.kind === other.kind ? one.kind : "partial", ageMs: Math.max(one.ageMs, other.ageMs) };
}

const kinds: readonly FallbackAnswer["kind"][] = ["cached", "empty", "partial"];
