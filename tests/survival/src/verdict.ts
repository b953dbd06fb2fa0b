import type { Windows } from "./histogram.ts";
import { paceOf, recoveredAfter } from "./recovery.ts";

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
  /** Those of them that tell how fast the mesh is; see `Host`. Default all. */
  readonly telling?: Windows;
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
  /** How much slower is as fast as before. Default 1.2. */
  readonly slowdown?: number;
  /** Most that a replica serves beside the mean of the healthy ones. Default 1.3. */
  readonly unevenness?: number;
  /** Share of calls. Default 0.1. */
  readonly retries?: number;
}

/** Of all calls before a fault, with it, and since it was mended; in milliseconds. */
export interface Times {
  readonly before: number;
  readonly fault: number;
  readonly after: number;
}

/** One line of the verdict. */
export interface Check {
  readonly name: "failed" | "recovery" | "evenness" | "retries";
  readonly holds: boolean;
  /** Undefined: never reached, or not seen. */
  readonly value: number | undefined;
  readonly limit: number;
  /** Where that was. */
  readonly of?: string;
  /** Nobody could see whether it held sooner. */
  readonly isUnseen?: boolean;
}

export interface Verdict {
  readonly holds: boolean;
  readonly checks: readonly Check[];
  readonly calls: number;
  /** Of calls that may not be retried; they decide nothing. */
  readonly failedOnce: number;
  /** Of all calls of a part together. */
  readonly p50: Times;
  readonly p99: Times;
  /** What recovery is judged by; see `recoveredAfter`. */
  readonly normal: Times;
  readonly quiet: Times;
  /** Of each service: the most that a healthy replica served beside their mean. */
  readonly evenness: Readonly<Record<string, number>>;
}

/** Whether it would have held, but for what nobody could see. */
export function isUnseen({ checks }: Verdict): boolean {
  return checks.some((check) => check.isUnseen) && checks.every((check) => check.holds || check.isUnseen);
}

/** Judges a fault by what was seen of it. */
export function judge(seen: Observation, limits: Limits): Verdict {
  const { tallies, windows, telling = windows, beforeMs, faultMs, mendedMs, endMs, served, retries } = seen;
  const { slowdown = 1.2, unevenness = 1.3, retries: share = 0.1 } = limits;
  const calls = tallies.read.calls + tallies.write.calls + tallies.once.calls;
  const failed = tallies.read.failed + tallies.write.failed;
  const pace = paceOf(telling, beforeMs, faultMs);
  const recovered = recoveredAfter(telling, [faultMs, mendedMs], pace, slowdown);
  const evenness = Object.fromEntries(Object.entries(served).map(([of, counts]) => [of, unevennessOf(counts)]));
  const [worst] = Object.entries(evenness).toSorted(([, a], [, b]) => b - a);
  const checks: Check[] = [{ name: "failed", holds: failed === 0 && calls > 0, value: failed, limit: 0 }];
  const { recoveryMs: limit } = limits;
  if (limit !== undefined) {
    const holds = recovered !== undefined && recovered <= limit;
    const isUnseen = telling.countBetween(faultMs, faultMs + limit) === 0;
    checks.push({ name: "recovery", holds, value: recovered, limit, ...(isUnseen && { isUnseen }) });
  }
  if (worst !== undefined) {
    const [of, value] = worst;
    checks.push({ name: "evenness", holds: value <= unevenness, value, limit: unevenness, of });
  }
  if (retries !== undefined) {
    checks.push({ name: "retries", holds: retries <= share * calls, value: retries / calls, limit: share });
  }
  return {
    holds: checks.every(({ holds }) => holds),
    checks,
    calls,
    failedOnce: tallies.once.failed,
    ...timesOf({ windows, telling, beforeMs, faultMs, mendedMs, endMs }),
    evenness,
  };
}

/** What calls took in each part of a run. */
export function timesOf({
  windows,
  telling = windows,
  beforeMs,
  faultMs,
  mendedMs,
  endMs,
}: Omit<Observation, "tallies" | "served" | "retries">): Pick<Verdict, "p50" | "p99" | "normal" | "quiet"> {
  const times = (timeOf: (fromMs: number, toMs: number) => number): Times => ({
    before: timeOf(beforeMs, faultMs),
    fault: timeOf(faultMs, mendedMs),
    after: timeOf(mendedMs, endMs),
  });
  return {
    p50: times((fromMs, toMs) => windows.between(fromMs, toMs).quantile(0.5)),
    p99: times((fromMs, toMs) => windows.between(fromMs, toMs).quantile(0.99)),
    normal: times((fromMs, toMs) => paceOf(telling, fromMs, toMs).normalMs),
    quiet: times((fromMs, toMs) => paceOf(telling, fromMs, toMs).quietMs),
  };
}

/** The most of any beside the mean; 1 for all the same. */
export function unevennessOf(served: readonly number[]): number {
  const sum = served.reduce((total, one) => total + one, 0);
  return sum === 0 ? Number.POSITIVE_INFINITY : (Math.max(...served) * served.length) / sum;
}
