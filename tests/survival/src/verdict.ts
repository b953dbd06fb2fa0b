import { Windows } from "./histogram.ts";

/** What may be asked of a call when it fails. `once`: it may not be sent again, so it may be lost with an instance. */
export type CallClass = "read" | "write" | "once";

/** How often calls of one class were made, and how they ended. */
export interface Tally {
  readonly calls: number;
  readonly failed: number;
  /** Of the failed: turned down, with the advice when to come again. */
  readonly refused: number;
  /** Answered by a fallback, marked as such. */
  readonly degraded: number;
}

/** What was seen of a fault. Moments are milliseconds from the beginning of the run. */
export interface Observation {
  readonly tallies: Readonly<Record<CallClass, Tally>>;
  /** Of all calls that may be retried. */
  readonly windows: Windows;
  readonly beforeMs: number;
  readonly faultMs: number;
  readonly mendedMs: number;
  readonly endMs: number;
  /** Calls that each healthy replica served during the fault, by service; empty where the fault hits all in turn. */
  readonly served: Readonly<Record<string, readonly number[]>>;
  /** Tries beyond the first, hedges included; undefined when nobody counted them. */
  readonly retries: number | undefined;
}

/** What a scenario has to hold. */
export interface Limits {
  /** Until calls are as fast as before, in milliseconds from the beginning of the fault; undefined: whenever. */
  readonly recoveryMs: number | undefined;
  /** How much slower than before is as fast as before. Default 1.2. */
  readonly slowdown?: number;
  /** Most that a replica serves beside the mean of the healthy ones. Default 1.3. */
  readonly unevenness?: number;
  /** Share of calls. Default 0.1. */
  readonly retries?: number;
}

/** One line of the verdict. */
export interface Check {
  readonly name: "failed" | "recovery" | "evenness" | "retries";
  readonly holds: boolean;
  /** Undefined: never reached, or not seen. */
  readonly value: number | undefined;
  readonly limit: number;
}

export interface Verdict {
  readonly holds: boolean;
  readonly checks: readonly Check[];
  readonly calls: number;
  /** Of calls that may not be retried; they decide nothing. */
  readonly failedOnce: number;
  /** In milliseconds. `fault`: of all of its time; `after`: since it was mended. */
  readonly p99: { readonly before: number; readonly fault: number; readonly after: number };
}

/** Judges a fault by what was seen of it. */
export function judge(seen: Observation, limits: Limits): Verdict {
  const { tallies, windows, beforeMs, faultMs, mendedMs, endMs, served, retries } = seen;
  const { slowdown = 1.2, unevenness = 1.3, retries: share = 0.1 } = limits;
  const calls = tallies.read.calls + tallies.write.calls + tallies.once.calls;
  const failed = tallies.read.failed + tallies.write.failed;
  const p99 = (fromMs: number, toMs: number): number => windows.between(fromMs, toMs).quantile(0.99);
  const before = p99(beforeMs, faultMs);
  const recovered = recoveredAfter(windows, faultMs, mendedMs, before * slowdown);
  const worst = Math.max(0, ...Object.values(served).map(unevennessOf));
  const checks: Check[] = [{ name: "failed", holds: failed === 0 && calls > 0, value: failed, limit: 0 }];
  const { recoveryMs: limit } = limits;
  if (limit !== undefined) {
    const holds = recovered !== undefined && recovered <= limit;
    checks.push({ name: "recovery", holds, value: recovered, limit });
  }
  if (Object.keys(served).length > 0) {
    checks.push({ name: "evenness", holds: worst <= unevenness, value: worst, limit: unevenness });
  }
  if (retries !== undefined) {
    checks.push({ name: "retries", holds: retries <= share * calls, value: retries / calls, limit: share });
  }
  return {
    holds: checks.every(({ holds }) => holds),
    checks,
    calls,
    failedOnce: tallies.once.failed,
    p99: { before, fault: p99(faultMs, mendedMs), after: p99(mendedMs, endMs) },
  };
}

/** A sliding window is as long as this at least, in milliseconds, and has so many calls: five of them are beyond the p99. */
const leastSpanMs = 1000;
const leastCalls = 500;

/**
 * How long after `fromMs` calls are within `limitMs` again: from the first moment on whose sliding window has its 99th
 * percentile there, and so have all calls from then to `toMs`. By when calls begin: one that hangs for three seconds
 * counts to the moment at which its caller made it. Undefined when it does not happen.
 */
export function recoveredAfter(windows: Windows, fromMs: number, toMs: number, limitMs: number): number | undefined {
  for (let at = fromMs; at + leastSpanMs <= toMs; at += Windows.widthMs) {
    if (!(windows.between(at, toMs).quantile(0.99) <= limitMs)) continue;
    let endMs = at + leastSpanMs;
    while (endMs < toMs && windows.between(at, endMs).total < leastCalls) endMs += Windows.widthMs;
    if (windows.between(at, Math.min(endMs, toMs)).quantile(0.99) <= limitMs) return at - fromMs;
  }
  return undefined;
}

/** The most of any beside the mean; 1 for all the same. */
export function unevennessOf(served: readonly number[]): number {
  const sum = served.reduce((total, one) => total + one, 0);
  return sum === 0 ? Number.POSITIVE_INFINITY : (Math.max(...served) * served.length) / sum;
}
