import fc from "fast-check";
import { expect, test } from "vitest";
import { Latencies } from "./latencies.ts";

test("a quantile is the exact one, or up to 9 % more, of times between half a window and a whole one", () => {
  const times = fc.array(
    fc.record({ gapMs: fc.oneof(fc.nat(20), fc.nat(700)), tookMs: fc.double({ min: 0.1, max: 60_000, noNaN: true }) }),
    { minLength: 1 },
  );
  fc.assert(
    fc.property(times, fc.constantFrom(0.5, 0.9, 0.95, 1), (list, share) => {
      const latencies = new Latencies(2_000);
      const all: { atMs: number; tookMs: number }[] = [];
      let nowMs = 54_321;
      for (const { gapMs, tookMs } of list) {
        nowMs += gapMs;
        latencies.add(nowMs, tookMs);
        all.push({ atMs: nowMs, tookMs });
      }
      const half = (atMs: number) => Math.floor(atMs / 1_000);
      const within = all.filter(({ atMs }) => half(atMs) >= half(nowMs) - 1).map(({ tookMs }) => tookMs);
      expect(latencies.count(nowMs)).toBe(within.length);
      const exact = within.sort((a, b) => a - b)[Math.ceil(within.length * share) - 1] ?? 0;
      const estimate = latencies.quantile(nowMs, share);
      expect(estimate).toBeGreaterThanOrEqual(exact * 0.999_999);
      expect(estimate).toBeLessThanOrEqual(exact * 1.0906);
      expect(latencies.quantile(nowMs + 2_000, share)).toBe(0);
    }),
  );
});

test("times out of all bounds fall into the first and the last bucket", () => {
  const latencies = new Latencies(2_000);
  for (const tookMs of [0, 1e-9, 1e12]) latencies.add(0, tookMs);
  expect(latencies.quantile(0, 0.5)).toBeCloseTo(0.1);
  expect(latencies.quantile(0, 1)).toBeGreaterThan(600_000);
});
