import { WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { load, peakOf, recovery, type Sample, shareOf } from "./load.ts";

const watch = { sinceMs: 1_000, seconds: 5, usualMedianMs: 25 };

/** A call every 10 ms. */
function calls(fromMs: number, toMs: number, outcome: Sample["outcome"], tookMs = 25): readonly Sample[] {
  const count = (toMs - fromMs) / 10;
  return Array.from({ length: count }, (_, index) => ({
    priority: "interactive",
    atMs: fromMs + index * 10,
    tookMs,
    outcome,
  }));
}

test("recovery is the time until all goes as usual for a second, and what was before does not count", () => {
  const overload = calls(0, 1_000, "lost", 500);
  expect(recovery([...overload, ...calls(1_000, 6_000, "answered")], watch)).toBe(0);
  const lost = calls(1_000, 2_000, "lost", 500);
  expect(recovery([...overload, ...lost, ...calls(2_000, 6_000, "answered")], watch)).toBe(1);
  const slow = calls(1_000, 2_500, "answered", 100);
  expect(recovery([...overload, ...slow, ...calls(2_500, 6_000, "answered")], watch)).toBe(1.5);
});

test("a few answers between two stalls are no recovery", () => {
  const samples = [
    ...calls(1_000, 1_750, "answered"),
    ...calls(1_750, 3_000, "lost", 500),
    ...calls(3_000, 6_000, "answered"),
  ];
  expect(recovery(samples, watch)).toBe(2);
});

test("a server that never recovers is told as all of the time that was watched", () => {
  expect(recovery(calls(1_000, 6_000, "lost", 500), watch)).toBe(5);
  expect(recovery(calls(1_000, 6_000, "refused", 1), watch)).toBe(5);
  expect(recovery([], watch)).toBe(5);
});

test("a phase does not wait for calls of the one before", async () => {
  // So few a second that each phase makes the one call of its start.
  const phase = { perSecond: 1e-9, seconds: 0.02 };
  let made = 0;
  let endFirst = (): void => undefined;
  const call = (): Promise<void> => {
    made += 1;
    if (made === 1) return new Promise<void>((resolve) => (endFirst = resolve));
    endFirst();
    return Promise.reject(new WeftError("RESOURCE_EXHAUSTED", "the server has more to do than it can"));
  };
  const samples = await load(call, [phase, phase]);
  expect(samples.map(({ atMs, outcome }) => [atMs, outcome])).toEqual([
    [0, "answered"],
    [20, "refused"],
  ]);
  expect(shareOf(samples, "answered")).toBe(0.5);
});

test("a closed loop ends, even when all calls fail at once", async () => {
  const call = (): Promise<void> => Promise.reject(new Error("no"));
  expect(await peakOf(call, { callers: 3, warmUpSeconds: 0.02, seconds: 0.03 })).toBe(0);
});
