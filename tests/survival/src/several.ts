import type { Outcome } from "./survival.ts";
import type { Check } from "./verdict.ts";

/**
 * What several runs of one fault say together. No call may have failed in any of them, and load and retries are those of
 * the worst; how soon calls are as fast as before is the median, as one run in which the machine stalls at a bad moment
 * says nothing, and neither does a lucky one. Times and the rest are those of the run in the middle.
 */
export function together(outcomes: readonly [Outcome, ...Outcome[]]): Outcome {
  const sorted = outcomes.toSorted((a, b) => recoveryOf(a) - recoveryOf(b));
  const middle = sorted[Math.floor(sorted.length / 2)] ?? outcomes[0];
  const checks = middle.verdict.checks.map((check) => (check.name === "recovery" ? check : worst(check, outcomes)));
  const sum = (of: (outcome: Outcome) => number): number => outcomes.reduce((total, one) => total + of(one), 0);
  return {
    ...middle,
    runs: outcomes.length,
    verdict: {
      ...middle.verdict,
      holds: checks.every(({ holds }) => holds),
      checks,
      calls: sum(({ verdict }) => verdict.calls),
      failedOnce: sum(({ verdict }) => verdict.failedOnce),
    },
    resent: sum(({ resent }) => resent),
    degraded: sum(({ degraded }) => degraded),
    failures: outcomes.flatMap(({ failures }) => failures).toSorted(([, a], [, b]) => b - a),
    examples: outcomes.flatMap(({ examples }) => examples),
  };
}

/** Never is later than anything. */
function recoveryOf({ verdict }: Outcome): number {
  return verdict.checks.find(({ name }) => name === "recovery")?.value ?? Number.POSITIVE_INFINITY;
}

/** The same check of the run in which it came out worst; of failed calls, those of all runs. */
function worst(check: Check, outcomes: readonly Outcome[]): Check {
  const all = outcomes.flatMap(({ verdict }) => verdict.checks.filter(({ name }) => name === check.name));
  const holds = all.every((other) => other.holds);
  if (check.name === "failed") return { ...check, holds, value: all.reduce((sum, { value = 0 }) => sum + value, 0) };
  const [first = check] = all.toSorted((a, b) => (b.value ?? 0) - (a.value ?? 0));
  return { ...first, holds };
}
