import { expect, test } from "vitest";
import { Windows } from "./histogram.ts";
import { isUnseen, judge, type Observation, unevennessOf } from "./verdict.ts";

/** Calls of 10 ms, one in 50 of 20 ms; what `slow` names takes longer. */
function calls(tookMs: (atMs: number) => number = () => 0, seconds = 30): Windows {
  const windows = new Windows();
  for (let at = 0; at < seconds * 1000; at += 2) windows.add(at, tookMs(at) || (at % 100 === 0 ? 20 : 10));
  return windows;
}

const within = (from: number, to: number) => (atMs: number) => (atMs >= from && atMs < to ? 500 : 0);

test("unevenness is the most beside the mean", () => {
  expect(unevennessOf([100, 100])).toBe(1);
  expect(unevennessOf([150, 50])).toBe(1.5);
  expect(unevennessOf([0, 0])).toBe(Number.POSITIVE_INFINITY);
});

const tally = { calls: 5000, failed: 0, refused: 0, degraded: 0 };
const sound: Observation = {
  tallies: { read: tally, write: tally, once: { ...tally, failed: 3 } },
  windows: calls(within(10_000, 10_500)),
  beforeMs: 0,
  faultMs: 10_000,
  mendedMs: 20_000,
  endMs: 30_000,
  served: { user: [100, 120], search: [50, 50] },
  retries: 100,
};

test("what holds, holds, whatever became of calls that may not be retried", () => {
  const { holds, checks, failedOnce, p50, p99, normal, quiet, evenness } = judge(sound, { recoveryMs: 1000 });
  expect(checks.map(({ name }) => name)).toEqual(["failed", "recovery", "evenness", "retries"]);
  expect([holds, failedOnce]).toEqual([true, 3]);
  expect(p99.before).toBeGreaterThan(19);
  expect(p99.fault).toBeGreaterThan(400);
  expect(p99.after).toBeLessThan(21);
  expect(Math.round(p50.fault)).toBe(10);
  // Of seconds, of which but the first was slow.
  expect([normal.before, normal.fault, quiet.fault].map(Math.round)).toEqual([20, 20, 20]);
  expect(evenness).toEqual({ user: 120 / 110, search: 1 });
});

test.each<[string, Partial<Observation>]>([
  ["failed", { tallies: { ...sound.tallies, write: { ...tally, failed: 1 } } }],
  ["recovery", { windows: calls(within(10_000, 13_000)) }],
  ["evenness", { served: { user: [100, 100], search: [300, 100] } }],
  ["retries", { retries: 1600 }],
])("%s is found", (name, change) => {
  const { holds, checks } = judge({ ...sound, ...change }, { recoveryMs: 1000 });
  expect(holds).toBe(false);
  expect(checks.filter((check) => !check.holds).map((check) => check.name)).toEqual([name]);
  expect(checks.find((check) => check.name === "evenness")?.of).toBe(name === "evenness" ? "search" : "user");
});

test("no calls at all are no success", () => {
  const none = { calls: 0, failed: 0, refused: 0, degraded: 0 };
  const nothing = { ...sound, tallies: { read: none, write: none, once: none }, windows: new Windows() };
  expect(judge(nothing, { recoveryMs: 1000 }).holds).toBe(false);
});

test("a fault of which nobody asks how long it is felt", () => {
  const { holds, checks } = judge({ ...sound, windows: calls(within(10_000, 20_000)) }, { recoveryMs: undefined });
  expect([holds, checks.map(({ name }) => name)]).toEqual([true, ["failed", "evenness", "retries"]]);
});

test("what nobody counted is no check", () => {
  const { checks } = judge({ ...sound, served: {}, retries: undefined }, { recoveryMs: 1000 });
  expect(checks.map(({ name }) => name)).toEqual(["failed", "recovery"]);
});

test("a fault that nobody saw in time is neither survived nor not", () => {
  const { windows } = sound;
  const late = windows.where((atMs) => atMs < 10_000 || atMs >= 12_000);
  const verdict = judge({ ...sound, telling: late }, { recoveryMs: 1000 });
  expect([verdict.holds, isUnseen(verdict)]).toEqual([false, true]);
  expect(verdict.checks.find(({ name }) => name === "recovery")?.value).toBe(2000);
  expect(isUnseen(judge(sound, { recoveryMs: 1000 }))).toBe(false);
  expect(isUnseen(judge({ ...sound, telling: late, retries: 1e9 }, { recoveryMs: 1000 }))).toBe(false);
});
