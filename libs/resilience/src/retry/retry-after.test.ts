import type { Code } from "@weft/kit";
import fc from "fast-check";
import { expect, test } from "vitest";
import { type FailedTry, retryAfter, type RetryVerdict } from "./retry-after.ts";

const codes: readonly Code[] = [
  ...(["UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "ABORTED"] as const),
  ...(["INTERNAL", "UNKNOWN", "NOT_FOUND", "CANCELLED"] as const),
];
const failures: fc.Arbitrary<FailedTry> = fc.record({
  method: fc.constant("weft.echo.v1.EchoService/Echo"),
  code: fc.oneof(fc.constant<Code>("UNAVAILABLE"), fc.constantFrom(...codes)),
  isSafe: fc.boolean(),
  isRefused: fc.boolean(),
  pushBackMs: fc.constantFrom(undefined, 0, 1, 300, 5_000, -1, Number.NaN),
  tries: fc.integer({ min: 1, max: 4 }),
  remainingMs: fc.constantFrom(-10, 0, 20, 400, 60_000, Number.POSITIVE_INFINITY),
  isBreakerOpen: fc.boolean(),
});
const options = { maxTries: 3, initialBackoffMs: 50, maxBackoffMs: 1_000 };

type Plan = (failed: FailedTry, random: () => number) => RetryVerdict;
const real: Plan = (failed, random) => retryAfter(failed, options, random);

/** Every law as what must hold of a try that is made again after `waitMs`. */
const laws: Record<string, (failed: FailedTry, waitMs: number) => void> = {
  "T1 only what is safe": ({ isSafe, isRefused }) => expect(isSafe || isRefused).toBe(true),
  "T2 only what another try may change": ({ code, isRefused }) =>
    expect(code === "UNAVAILABLE" || (code === "RESOURCE_EXHAUSTED" && isRefused)).toBe(true),
  "T3 within tries and deadline": ({ tries, remainingMs }, waitMs) => {
    expect(tries).toBeLessThan(options.maxTries);
    expect(waitMs).toBeLessThan(remainingMs);
  },
  "T4 never sooner than asked for": ({ pushBackMs = 0 }, waitMs) => expect(waitMs).toBeGreaterThanOrEqual(pushBackMs),
  "T5 not while the breaker is open": ({ isBreakerOpen }) => expect(isBreakerOpen).toBe(false),
};

function property(plan: Plan, law: (failed: FailedTry, waitMs: number) => void) {
  return fc.property(failures, fc.double({ min: 0, max: 0.999, noNaN: true }), (failed, chance) => {
    const verdict = plan(failed, () => chance);
    if ("waitMs" in verdict) law(failed, verdict.waitMs);
  });
}

test.each(Object.entries(laws))("%s", (_title, law) => {
  fc.assert(property(real, law), { numRuns: 1_000 });
});

test("T0 whatever no law forbids is made again, within the back-off and what was asked for", () => {
  fc.assert(
    fc.property(failures, fc.double({ min: 0, max: 0.999, noNaN: true }), (failed, chance) => {
      const { pushBackMs = 0, tries } = failed;
      const mostMs = pushBackMs + Math.min(options.maxBackoffMs, options.initialBackoffMs * 2 ** (tries - 1));
      const allowed = Object.values(laws).every((law) => {
        try {
          law(failed, mostMs);
          return pushBackMs >= 0;
        } catch {
          return false;
        }
      });
      if (!allowed) return;
      expect(real(failed, () => chance)).toEqual({
        waitMs: expect.closeTo(pushBackMs + chance * (mostMs - pushBackMs)),
      });
    }),
    { numRuns: 1_000 },
  );
});

const mutants: readonly { fault: string; breaks: string; plan: Plan }[] = [
  { fault: "all is safe", breaks: "T1", plan: (failed, random) => real({ ...failed, isSafe: true }, random) },
  {
    fault: "a spent quota is asked again",
    breaks: "T2",
    plan: (failed, random) =>
      real(failed.code === "RESOURCE_EXHAUSTED" ? { ...failed, code: "UNAVAILABLE" } : failed, random),
  },
  { fault: "tries are not counted", breaks: "T3", plan: (failed, random) => real({ ...failed, tries: 1 }, random) },
  {
    fault: "the deadline is not looked at",
    breaks: "T3",
    plan: (failed, random) => real({ ...failed, remainingMs: Number.POSITIVE_INFINITY }, random),
  },
  {
    fault: "the target's wish is not heard",
    breaks: "T4",
    plan: (failed, random) => real({ ...failed, pushBackMs: undefined }, random),
  },
  {
    fault: "a wish not to be called is taken for none",
    breaks: "T4",
    plan: (failed, random) => real({ ...failed, pushBackMs: Math.max(0, failed.pushBackMs ?? 0) || undefined }, random),
  },
  {
    fault: "the breaker is not asked",
    breaks: "T5",
    plan: (failed, random) => real({ ...failed, isBreakerOpen: false }, random),
  },
];

test.each(mutants)("$breaks fails when $fault", ({ breaks, plan }) => {
  const [, law] = Object.entries(laws).find(([title]) => title.startsWith(`${breaks} `)) ?? [];
  if (law === undefined) throw new Error(`there is no ${breaks}`);
  expect(fc.check(property(plan, law), { numRuns: 1_000, seed: 1, endOnFailure: true }).failed).toBe(true);
});
