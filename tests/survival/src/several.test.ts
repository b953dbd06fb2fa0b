import { expect, test } from "vitest";
import { together } from "./several.ts";
import type { Outcome } from "./survival.ts";
import type { Check } from "./verdict.ts";

const none = { before: 1, fault: 1, after: 1 };

/** A run with so many failed calls, after which calls were as fast as before again, and the load on the worst replica. */
function run(failed: number, recoveryMs: number | undefined, load: number): Outcome {
  const checks: readonly Check[] = [
    { name: "failed", holds: failed === 0, value: failed, limit: 0 },
    { name: "recovery", holds: recoveryMs !== undefined && recoveryMs <= 1000, value: recoveryMs, limit: 1000 },
    { name: "evenness", holds: load <= 1.3, value: load, limit: 1.3, of: `user at ${load}` },
  ];
  const holds = checks.every((check) => check.holds);
  const times = { p50: none, p99: none, normal: none, quiet: none };
  return {
    scenario: "kill",
    verdict: { holds, checks, calls: 100, failedOnce: 1, ...times, evenness: {} },
    sickShare: undefined,
    resent: 1,
    degraded: 2,
    failures: failed === 0 ? [] : [["read: 503", failed]],
    examples: [],
    decisions: {},
    timeline: [],
  };
}

test("one run stands for itself", () => {
  const only = run(0, 300, 1.1);
  expect(together([only])).toEqual({ ...only, runs: 1 });
});

test("of several the recovery in the middle counts, every failed call, and the worst load", () => {
  const { runs, verdict, resent, degraded, failures } = together([
    run(0, undefined, 1.05),
    run(2, 200, 1.2),
    run(0, 900, 1.1),
  ]);
  expect({ runs, resent, degraded, failures }).toEqual({
    runs: 3,
    resent: 3,
    degraded: 6,
    failures: [["read: 503", 2]],
  });
  expect(verdict).toMatchObject({ holds: false, calls: 300, failedOnce: 3 });
  expect(verdict.checks.map(({ holds, value, of }) => [holds, value, of])).toEqual([
    [false, 2, undefined],
    [true, 900, undefined],
    [true, 1.2, "user at 1.2"],
  ]);
});

test("what is broken in one of them is broken, and of two recoveries the later one counts", () => {
  expect(together([run(0, 100, 1.4), run(0, 100, 1.1), run(0, 100, 1)]).verdict.holds).toBe(false);
  expect(together([run(0, 100, 1), run(0, undefined, 1)]).verdict.holds).toBe(false);
  expect(together([run(0, undefined, 1), run(0, undefined, 1), run(0, 100, 1)]).verdict.holds).toBe(false);
  expect(together([run(0, undefined, 1), run(0, 800, 1), run(0, 100, 1)]).verdict.holds).toBe(true);
});
