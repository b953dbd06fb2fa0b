import fc from "fast-check";
import { expect, test } from "vitest";
import { type BudgetOptions, RetryBudget } from "./budget.ts";

type Budget = Pick<RetryBudget, "deposit" | "withdraw">;
type Make = (options: BudgetOptions) => Budget;

/** Calls and wishes to retry, each some time after those before. */
const history = fc.array(
  fc.record({ gapMs: fc.oneof(fc.nat(40), fc.nat(4_000)), calls: fc.nat(30), retries: fc.nat(12) }),
  { maxLength: 60 },
);
const options = fc.record({
  share: fc.constantFrom(0, 0.05, 0.1, 0.5),
  burst: fc.constantFrom(0, 1, 10),
  perSecond: fc.constantFrom(0, 0.5, 1),
});

interface Moment {
  readonly atMs: number;
  readonly calls: number;
  readonly wished: number;
  readonly granted: number;
}

function live(make: Make, given: BudgetOptions, steps: readonly { gapMs: number; calls: number; retries: number }[]) {
  const budget = make(given);
  let atMs = 50_000;
  return steps.map(({ gapMs, calls, retries }): Moment => {
    atMs += gapMs;
    for (let call = 0; call < calls; call += 1) budget.deposit(atMs);
    let granted = 0;
    while (granted < retries && budget.withdraw(atMs)) granted += 1;
    return { atMs, calls, wished: retries, granted };
  });
}

const sum = (moments: readonly Moment[], field: "calls" | "granted") =>
  moments.reduce((total, moment) => total + moment[field], 0);
const rounding = 1e-6;

const laws = {
  "B1 no stretch of time has more than it may": (make: Make) =>
    fc.property(options, history, (given, steps) => {
      const moments = live(make, given, steps);
      for (const [from, first] of moments.entries()) {
        for (const [to, last] of moments.entries()) {
          if (to < from) continue;
          const calls = moments.filter(({ atMs }) => atMs > first.atMs - 10_001 && atMs <= last.atMs);
          const most =
            Math.max(1, given.burst) +
            given.share * sum(calls, "calls") +
            (given.perSecond * (last.atMs - first.atMs)) / 1000;
          expect(sum(moments.slice(from, to + 1), "granted")).toBeLessThanOrEqual(most + rounding);
        }
      }
    }),
  "B2 a budget left alone long enough grants one": (make: Make) =>
    fc.property(options, history, (given, steps) => {
      const moments = live(make, given, steps);
      for (const [index, { atMs, wished, granted }] of moments.entries()) {
        if (wished === 0 || granted > 0) continue;
        const taken = moments.slice(0, index).findLast((before) => before.granted > 0);
        const first = moments.find(({ calls, wished: first }) => calls + first > 0);
        const sinceMs = (taken ?? first)?.atMs ?? atMs;
        if (given.burst < 1 || taken !== undefined) {
          expect(given.perSecond * (atMs - sinceMs)).toBeLessThan(1_000 + rounding);
        }
      }
    }),
  "B3 what the last seconds paid in is there": (make: Make) =>
    fc.property(options, history, (given, steps) => {
      const moments = live(make, given, steps);
      for (const [index, { atMs, wished, granted }] of moments.entries()) {
        const recent = moments.slice(0, index + 1).filter((moment) => moment.atMs > atMs - 9_000);
        const due = Math.floor(given.share * sum(recent, "calls") - sum(recent, "granted") - rounding);
        if (granted < wished) expect(due).toBeLessThan(1);
      }
    }),
};

const mutants: readonly { fault: string; breaks: keyof typeof laws; make: Make }[] = [
  {
    fault: "it saves up without end",
    breaks: "B1 no stretch of time has more than it may",
    make: ({ share, burst, perSecond }) => {
      let tokens = burst;
      let paidMs = 50_000;
      return {
        deposit: () => void (tokens += share),
        withdraw: (nowMs) => {
          tokens += ((nowMs - paidMs) * perSecond) / 1000;
          paidMs = nowMs;
          if (tokens < 1) return false;
          tokens -= 1;
          return true;
        },
      };
    },
  },
  {
    fault: "a retry costs nothing",
    breaks: "B1 no stretch of time has more than it may",
    make: (given) => {
      const budget = new RetryBudget(given);
      return { deposit: (nowMs) => budget.deposit(nowMs), withdraw: () => true };
    },
  },
  {
    fault: "time pays in nothing",
    breaks: "B2 a budget left alone long enough grants one",
    make: (given) => new RetryBudget({ ...given, perSecond: 0 }),
  },
  {
    fault: "it holds its burst at most",
    breaks: "B3 what the last seconds paid in is there",
    make: ({ share, burst }) => {
      let tokens = burst;
      return {
        deposit: () => void (tokens = Math.min(Math.max(1, burst), tokens + share)),
        withdraw: () => (tokens < 1 ? false : ((tokens -= 1), true)),
      };
    },
  },
  {
    fault: "calls pay in half",
    breaks: "B3 what the last seconds paid in is there",
    make: (given) => new RetryBudget({ ...given, share: given.share / 2 }),
  },
];

test.each(Object.entries(laws))("%s", (_title, law) => {
  fc.assert(
    law((given) => new RetryBudget(given)),
    { numRuns: 200 },
  );
});

test.each(mutants)("noticed when $fault", ({ breaks, make }) => {
  expect(fc.check(laws[breaks](make), { numRuns: 500, seed: 1, endOnFailure: true }).failed).toBe(true);
});

test("bounds that change hold from then on", () => {
  const budget = new RetryBudget({ share: 0.1, burst: 10, perSecond: 0 });
  budget.configure({ share: 0.1, burst: 2, perSecond: 0 });
  expect([1, 2, 3].map(() => budget.withdraw(1_000))).toEqual([true, true, false]);
});
