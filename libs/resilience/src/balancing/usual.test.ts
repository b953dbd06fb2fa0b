import fc from "fast-check";
import { expect, test } from "vitest";
import { usualTimes } from "./fixture.ts";
import { UsualTimes } from "./usual.ts";

test("where there is one method, a millisecond is one", () => {
  const usual = new UsualTimes().of("Get");
  for (const tookMs of [0, 5, 1_000, 2]) {
    usual.add(tookMs);
    expect(usual.pace).toBe(1);
  }
});

test("as many usual calls of whatever method are worth the same", () => {
  const times = fc.array(fc.integer({ min: 1, max: 10_000 }), { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(times, (eachMs) => {
      const worth = usualTimes(...eachMs).map((usual, at) => usual.pace * (eachMs[at] ?? 0));
      for (const one of worth) expect(one).toBeCloseTo(worth[0] ?? 0);
    }),
  );
});

test("an answer that hung for long hardly changes what is usual, and what takes longer from now on becomes it", () => {
  const [get, list] = usualTimes(5, 50);
  const before = get?.pace ?? 0;
  get?.add(60_000);
  expect((get?.pace ?? 0) / before).toBeGreaterThan(0.7);
  for (let turn = 0; turn < 1_000; turn += 1) {
    get?.add(50);
    list?.add(50);
  }
  expect(get?.pace).toBeCloseTo(1, 1);
});

test("methods beyond the bound share one mean", () => {
  const times = new UsualTimes();
  const all = Array.from({ length: 1_000 }, (_, at) => times.of(`Method${at}`));
  expect(new Set(all).size).toBe(257);
  expect(times.of("Method0")).toBe(all[0]);
  expect(times.of("another")).toBe(all[999]);
});
