import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { law, type Subject, subjectOf } from "../balancing/fixture.ts";
import type { Decision, OnDecision } from "../decision.ts";
import { Retries } from "./retries.ts";
import type { FailedTry } from "./retry-after.ts";

const failed: FailedTry = {
  ...{ method: "weft.echo.v1.EchoService/Echo", code: "UNAVAILABLE", isSafe: true, isRefused: false },
  ...{ tries: 1, remainingMs: 5_000, isBreakerOpen: false },
};

function retriesWith(options = {}) {
  const told: Decision[] = [];
  const retries = new Retries({ target: "echo", random: () => 0.5, options, onDecision: (one) => told.push(one) });
  return { retries, told: () => told.splice(0).map(({ kind, reason }) => `${kind} ${reason}`) };
}

test("a retry waits half of 50 ms by the toss of a fair coin, and is told", () => {
  const { retries, told } = retriesWith();
  expect(retries.next(failed, 1_000)).toEqual({ waitMs: 25 });
  expect(retries.next({ ...failed, tries: 2, isRefused: true }, 1_000)).toEqual({ waitMs: 50 });
  expect(told()).toEqual(["retried failed", "retried refused"]);
});

test("what the call itself forbids takes nothing from the budget, and is not told", () => {
  const { retries, told } = retriesWith({ budgetBurst: 1, budgetPerSecond: 0 });
  expect(retries.next({ ...failed, isSafe: false }, 1_000)).toEqual({ no: "unsafe" });
  expect(retries.next({ ...failed, tries: 3 }, 1_000)).toEqual({ no: "tries-spent" });
  expect(told()).toEqual([]);
  expect(retries.next(failed, 1_000)).toHaveProperty("waitMs");
  expect(retries.next(failed, 1_000)).toEqual({ no: "budget-spent" });
  expect(told()).toEqual(["retried failed", "refused retry-budget"]);
});

type Make = (options: { readonly onDecision: OnDecision }) => Pick<Retries, "answered" | "isOverloaded" | "next">;

const right: Make = (options) => new Retries({ target: "echo", random: () => 0.5, ...options });

const laws = [
  law<Make>(
    "O1 nothing is tried again while most tries are turned down as too busy, and again once they are not",
    (make) => {
      const told: Decision[] = [];
      const retries = make({ onDecision: (one) => told.push(one) });
      for (let answer = 0; answer < 9; answer += 1) retries.answered(1_000, true);
      expect(retries.next(failed, 1_000)).toHaveProperty("waitMs");
      retries.answered(1_000, true);
      expect(retries.next(failed, 1_000)).toEqual({ no: "overloaded" });
      expect(told.map(({ kind, reason }) => `${kind} ${reason}`)).toEqual([
        "retried failed",
        "refused retry-overloaded",
      ]);
      for (let answer = 0; answer < 10; answer += 1) retries.answered(2_000, false);
      expect(retries.next(failed, 2_000)).toHaveProperty("waitMs");
    },
  ),
  law<Make>("O1 overload is forgotten with time alone", (make) => {
    const retries = make({ onDecision: () => undefined });
    for (let answer = 0; answer < 100; answer += 1) retries.answered(1_000, true);
    expect(retries.isOverloaded(10_900)).toBe(true);
    expect(retries.isOverloaded(11_000)).toBe(false);
    expect(retries.next(failed, 11_000)).toHaveProperty("waitMs");
  }),
];

describeLaws("retries of a target that is too busy", laws, subjectOf(right));

function mutant(fault: string, change: (inner: Retries) => Partial<ReturnType<Make>>): Mutant<Subject<Make>> {
  const make: Make = (options) => {
    const inner = new Retries({ target: "echo", random: () => 0.5, ...options });
    return {
      answered: (nowMs, isTooBusy) => inner.answered(nowMs, isTooBusy),
      isOverloaded: (nowMs) => inner.isOverloaded(nowMs),
      next: (one, nowMs) => inner.next(one, nowMs),
      ...change(inner),
    };
  };
  return { breaks: "O1", fault, open: subjectOf(make) };
}

describeMutants("retries of a target that is too busy: mutants", laws, [
  mutant("refusals are not counted", () => ({ answered: () => undefined })),
  mutant("good answers are not counted", (inner) => ({
    answered: (nowMs, isTooBusy) => (isTooBusy ? inner.answered(nowMs, true) : undefined),
  })),
  mutant("a few refusals are enough", (inner) => ({
    answered: (nowMs, isTooBusy) => {
      for (let time = 0; time < 3; time += 1) inner.answered(nowMs, isTooBusy);
    },
  })),
  mutant("overload is never forgotten", (inner) => {
    let lastMs = 0;
    return {
      answered: (nowMs, isTooBusy) => inner.answered((lastMs = nowMs), isTooBusy),
      isOverloaded: () => inner.isOverloaded(lastMs),
      next: (one) => inner.next(one, lastMs),
    };
  }),
  mutant("overload is seen and not heeded", (inner) => ({
    next: (one, nowMs) => (inner.isOverloaded(nowMs) ? { waitMs: 25 } : inner.next(one, nowMs)),
  })),
]);

test("options apply from then on, and what is left out goes back to its default", () => {
  const { retries } = retriesWith({ initialBackoffMs: 1_000 });
  expect(retries.next(failed, 1_000)).toEqual({ waitMs: 500 });
  retries.configure({ maxTries: 1 });
  expect(retries.next(failed, 1_000)).toEqual({ no: "tries-spent" });
  retries.configure({});
  expect(retries.next(failed, 1_000)).toEqual({ waitMs: 25 });
});

test("a storm: when all fails, retries are a tenth of the calls, ten at the start and one a second", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 200 }), fc.integer({ min: 20, max: 60 }), (callsPerSecond, seconds) => {
      const { retries } = retriesWith();
      let calls = 0;
      let retried = 0;
      for (let second = 0; second < seconds; second += 1) {
        for (let call = 0; call < callsPerSecond; call += 1) {
          const nowMs = 1_000 * second + (1_000 * call) / callsPerSecond;
          calls += 1;
          retries.began(nowMs);
          for (let tries = 1; "waitMs" in retries.next({ ...failed, tries }, nowMs); tries += 1) retried += 1;
        }
      }
      expect(retried).toBeLessThanOrEqual(10 + calls * 0.1 + seconds);
    }),
    { numRuns: 20 },
  );
});
