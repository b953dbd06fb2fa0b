import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Decision } from "../decision.ts";
import { type Importance, Tightening } from "./tightening.ts";

interface Target {
  readonly limit: Tightening;
  readonly told: Decision[];
  now: number;
}

function open(): Target {
  const told: Decision[] = [];
  return { told, now: 0, limit: new Tightening({ target: "user", onDecision: (decision) => told.push(decision) }) };
}

/** Calls for a while; how many a second were let through. `failing` of each hundred that get there fail. */
function drive(
  target: Target,
  options: { ms: number; perSecond: number; failing: number; importance?: Importance },
): number {
  const { ms, perSecond, failing, importance = "high" } = options;
  const end = target.now + ms;
  let through = 0;
  let due = 0;
  for (; target.now < end; target.now += 1) {
    for (due += perSecond / 1000; due >= 1; due -= 1) {
      if (!target.limit.admits(importance, target.now)) continue;
      through += 1;
      target.limit.ended((through * 37) % 100 < failing, target.now);
    }
  }
  return (through * 1000) / ms;
}

describe("a limit that tightens", () => {
  test("T1 nothing is refused while few calls fail, or few in number", () => {
    const many = open();
    expect(drive(many, { ms: 10_000, perSecond: 1000, failing: 20 })).toBeCloseTo(1000, 0);
    const seldom = open();
    expect(drive(seldom, { ms: 10_000, perSecond: 38, failing: 100 })).toBeCloseTo(38, 0);
    expect([many.told, seldom.told]).toEqual([[], []]);
  });

  test("T2, T3 it falls to a tenth of what came, and two good seconds end it; begin and end are told", () => {
    const target = open();
    drive(target, { ms: 5000, perSecond: 2000, failing: 0 });
    drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    expect(target.limit.factor(target.now)).toBeCloseTo(0.1);
    const through = drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    expect(through).toBeGreaterThanOrEqual(200);
    expect(through).toBeLessThan(220);
    expect(target.told).toEqual([{ kind: "limited", target: "user", reason: "tightened" }]);
    drive(target, { ms: 2500, perSecond: 2000, failing: 0 });
    expect(target.limit.factor(target.now)).toBe(1);
    expect(drive(target, { ms: 1000, perSecond: 2000, failing: 0 })).toBeCloseTo(2000, 0);
    expect(target.told.at(-1)).toMatchObject({ reason: "relaxed" });
  });

  test("T2 a share of failures between the two, which a target may always have, does not limit it for ever", () => {
    const target = open();
    drive(target, { ms: 1100, perSecond: 2000, failing: 100 });
    const before = target.limit.factor(target.now);
    // The half second that is under way still has failures of before in it.
    drive(target, { ms: 500, perSecond: 2000, failing: 12 });
    const after = target.limit.factor(target.now);
    expect(after).toBeLessThan(before);
    drive(target, { ms: 5_000, perSecond: 2000, failing: 12 });
    expect(target.limit.factor(target.now)).toBeCloseTo(after + 0.2);
    drive(target, { ms: 25_000, perSecond: 2000, failing: 12 });
    expect(target.limit.factor(target.now)).toBe(1);
  });

  test("T2 silence ends it, too", () => {
    const target = open();
    drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    target.now += 2500;
    expect(target.limit.factor(target.now)).toBe(1);
  });

  test("T3 it never goes below the floor", () => {
    const target = open();
    drive(target, { ms: 5000, perSecond: 100, failing: 100 });
    const through = drive(target, { ms: 5000, perSecond: 100, failing: 100 });
    expect(through).toBeGreaterThanOrEqual(50);
    expect(through).toBeLessThan(60);
  });

  test("T4 what matters less waits first", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2 }))), (calls) => {
        const ranks: readonly Importance[] = ["low", "middle", "high"];
        // The same calls up to each one, and then that call as each importance.
        const replay = (upTo: number, last: Importance): boolean => {
          const target = open();
          drive(target, { ms: 2000, perSecond: 500, failing: 100 });
          for (const [gap, rank] of calls.slice(0, upTo)) {
            target.limit.admits(ranks[rank] ?? "low", (target.now += gap));
          }
          return target.limit.admits(last, target.now);
        };
        const upTo = calls.length;
        const [low, middle, high] = ranks.map((rank) => replay(upTo, rank));
        expect([low, middle, high]).toEqual([low, middle, high].toSorted((a, b) => Number(a) - Number(b)));
      }),
      { numRuns: 40 },
    );
    const target = open();
    drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    let low = 0;
    let high = 0;
    for (let ms = 0; ms < 2000; ms += 1) {
      target.now += 1;
      if (target.limit.admits("low", target.now)) low += 1;
      if (target.limit.admits("high", target.now)) high += 1;
      target.limit.ended(true, target.now);
    }
    expect(low).toBeLessThan(30);
    expect(high).toBeGreaterThan(350);
  });
});
