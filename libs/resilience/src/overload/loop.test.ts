import { describe, expect, test } from "vitest";
import { Admission } from "./admission.ts";
import { type LoopParts, runLoop } from "./loop-model.ts";
import type { Outcome } from "./model.ts";
import { LoopTurns } from "./turns.ts";
import { seeded } from "./testing.ts";

const fromMs = 8_000;
const toMs = 28_000;
/** With 4 ms of work 240 calls a second are about all. */
const usual = 190;

/** A server under five times of what it can do for 20 s, and what its callers saw of it. */
function ordeal(parts: LoopParts, seed: number) {
  const outcomes = runLoop(parts, {
    workMs: 4.1,
    waitMs: 20,
    rate: (nowMs) => (nowMs >= fromMs && nowMs < toMs ? 1_200 : usual),
    priority: (random) => (random < 0.05 ? "critical" : random < 0.2 ? "batch" : "interactive"),
    durationMs: 40_000,
    random: seeded(seed),
  });
  const within = (from: number, to: number): readonly Outcome[] =>
    outcomes.filter(({ arrivedMs }) => arrivedMs >= from && arrivedMs < to);
  const p99 = (of: readonly Outcome[]): number => {
    const times = of.flatMap(({ tookMs }) => tookMs ?? []).sort((a, b) => a - b);
    return times[Math.floor(times.length * 0.99)] ?? Number.POSITIVE_INFINITY;
  };
  const good = (of: readonly Outcome[]): number =>
    of.filter(({ tookMs }) => tookMs !== undefined && tookMs < 500).length;
  const [before, during] = [within(2_000, fromMs), within(fromMs, toMs)];
  const after = within(toMs + 2_000, 40_000);
  return {
    goodput: good(during) / (toMs - fromMs) / (good(before) / (fromMs - 2_000)),
    slower: p99(during) / p99(before),
    /** The slowest; no bound when one was refused. */
    criticalMs: Math.max(
      ...during
        .filter(({ priority }) => priority === "critical")
        .map(({ tookMs = Number.POSITIVE_INFINITY }) => tookMs),
    ),
    refusedAfter: after.filter(({ tookMs }) => tookMs === undefined).length / after.length,
  };
}

function holds(parts: () => LoopParts): boolean {
  return [1, 2, 3].every((seed) => {
    const { goodput, slower, criticalMs, refusedAfter } = ordeal(parts(), seed);
    return goodput >= 0.9 && slower <= 3 && criticalMs <= 100 && refusedAfter < 0.02;
  });
}

describe("an event loop under five times of what it can do", () => {
  test("answers as many in time, hardly later, all of the critical ones soon, and recovers", () => {
    expect(holds(() => ({}))).toBe(true);
  });

  test.each([1, 2, 3])("takes whatever came while it stood still, when it has time to spare otherwise (%i)", (seed) => {
    const outcomes = runLoop(
      {},
      {
        workMs: 4.1,
        waitMs: 20,
        rate: () => 60,
        priority: () => "interactive",
        durationMs: 40_000,
        stalls: { everyMs: 3_000, forMs: 1_500 },
        random: seeded(seed),
      },
    );
    expect(outcomes.length).toBeGreaterThan(2_000);
    expect(outcomes.filter(({ tookMs }) => tookMs === undefined)).toHaveLength(0);
  });

  test.each([1, 2, 3])("that others fill besides, does not take it for one that stood still (%i)", (seed) => {
    const outcomes = runLoop(
      {},
      {
        workMs: 4.1,
        waitMs: 20,
        rate: (nowMs) => (nowMs < fromMs ? 60 : 400),
        slowness: (nowMs) => (nowMs < fromMs ? 1 : 3),
        priority: () => "interactive",
        durationMs: toMs,
        random: seeded(seed),
      },
    );
    const late = outcomes.filter(({ arrivedMs }) => arrivedMs > fromMs + 3_000);
    const times = late.flatMap(({ tookMs }) => tookMs ?? []).sort((a, b) => a - b);
    expect(times.length / (toMs - fromMs - 3_000)).toBeGreaterThan(0.06);
    expect(times[Math.floor(times.length * 0.99)]).toBeLessThan(1_000);
  });

  test("answers less than half as many when latency alone is looked at: no call has ended when it is too late", () => {
    expect(ordeal({ turns: new LoopTurns({ maxTurnMs: 1e9 }) }, 1).goodput).toBeLessThan(0.5);
  });

  test("that critical calls alone are too much for answers those that it takes in time, and turns the others down", () => {
    const outcomes = runLoop(
      {},
      {
        workMs: 1,
        waitMs: 20,
        rate: () => 2_500,
        priority: (random) => (random < 0.6 ? "critical" : "interactive"),
        durationMs: 10_000,
        random: seeded(1),
      },
    );
    const critical = outcomes.filter(({ priority, arrivedMs }) => priority === "critical" && arrivedMs > 2_000);
    const times = critical.flatMap(({ tookMs }) => tookMs ?? []).toSorted((a, b) => a - b);
    expect(times.length / 8).toBeGreaterThan(700);
    expect(times.at(-1)).toBeLessThan(500);
  });

  test.each<[string, () => LoopParts]>([
    ["takes any number of calls a turn", () => ({ turns: new LoopTurns({ maxTurnMs: 1e9 }) })],
    ["takes hardly any calls", () => ({ admission: new Admission({ minLimit: 2, maxLimit: 2 }) })],
    [
      "begins in each round all that it took",
      () => ({
        turns: new (class extends LoopTurns {
          override get hasRound(): boolean {
            return true;
          }
        })(),
      }),
    ],
    [
      "has neither",
      () => ({ admission: new Admission({ minLimit: 10_000 }), turns: new LoopTurns({ maxTurnMs: 1e9 }) }),
    ],
  ])("but not one that %s", (_, parts) => {
    expect(holds(parts)).toBe(false);
  });
});
