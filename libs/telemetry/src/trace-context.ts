import { randomHex } from "@weft/kit";

/** Where a piece of work belongs, by W3C Trace Context (https://www.w3.org/TR/trace-context/). */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string;
  /** 16 lower-case hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
  /** `tracestate`, passed on as it came. */
  readonly state?: string;
}

const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** The context in a `traceparent` header; undefined where there is none or it is malformed (then a new trace starts). */
export function parseTraceparent(header: string | undefined, state?: string): TraceContext | undefined {
  const match = header === undefined ? null : pattern.exec(header);
  if (match === null) return undefined;
  const [, version, traceId, spanId, flags, rest] = match;
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === "ff" || (version === "00" && rest !== undefined)) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  const sampled = (Number.parseInt(flags, 16) & 1) === 1;
  return state === undefined || state.length > 512 ? { traceId, spanId, sampled } : { traceId, spanId, sampled, state };
}

/** The header that passes a context on. */
export function formatTraceparent(context: TraceContext): string {
  return `00-${context.traceId}-${context.spanId}-${context.sampled ? "01" : "00"}`;
}

/** A new span: of the parent's trace, or of a new one. */
export function childOf(parent: TraceContext | undefined): TraceContext {
  const spanId = randomHex(8);
  return parent === undefined ? { traceId: randomHex(16), spanId, sampled: true } : { ...parent, spanId };
}
