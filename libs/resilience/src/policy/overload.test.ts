import { expect, test } from "vitest";
import { ConcurrencyLimiter } from "../overload/limiter.ts";
import { readOverload } from "./overload.ts";

test("what is said goes over the defaults", () => {
  const read = readOverload({ degrade: { from: 75 }, concurrency: { maxLimit: 500 } });
  expect(read).toMatchObject({
    value: { degrade: { from: 75, below: 40 }, concurrency: { maxLimit: 500, minLimit: 40 }, pressedCpuShare: 0.85 },
  });
});

test("a tolerance that no window would ever be below is refused: a limit would stay for ever", () => {
  expect(readOverload({ concurrency: { tolerance: 1 } })).toEqual({
    problems: [{ field: "concurrency.tolerance", description: "must be a number from 1.3 to 100, not 1" }],
  });
  const limiter = new ConcurrencyLimiter({ minLimit: 1, maxLimit: 100, tolerance: 1.3, toleratedMs: 0 });
  let nowMs = 0;
  // Ten calls at a time, as long as they take.
  const pass = (ms: number, tookMs: number): void => {
    for (const endMs = nowMs + ms; nowMs < endMs; nowMs += tookMs) {
      let taken = 0;
      for (let call = 0; call < 10; call += 1) {
        if (!limiter.hasRoom(1, nowMs)) continue;
        limiter.begin();
        taken += 1;
      }
      for (let call = 0; call < taken; call += 1) {
        limiter.end();
        limiter.measure("m", tookMs, nowMs + tookMs);
      }
    }
  };
  pass(1_000, 10);
  pass(1_000, 100);
  expect(limiter.limiting).toBe(true);
  pass(2_000, 10);
  expect(limiter.limiting).toBe(false);
});

test("a score that nobody gets below is refused: a process would stay degraded for ever", () => {
  expect(readOverload({ degrade: { below: 0 } })).toEqual({
    problems: [{ field: "degrade.below", description: "must be a number from 1 to 101, not 0" }],
  });
});
