import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { law, type Subject, subjectOf } from "../balancing/fixture.ts";
import type { Decision } from "../decision.ts";
import { type Importance, Tightening, type TighteningOptions } from "./tightening.ts";

type Limit = Pick<Tightening, "factor" | "admits" | "ended">;
type Make = (options: TighteningOptions) => Limit;

interface Target {
  readonly limit: Limit;
  readonly told: Decision[];
  now: number;
}

const right: Make = (options) => new Tightening(options);

function open(make: Make): Target {
  const told: Decision[] = [];
  return { told, now: 0, limit: make({ target: "user", onDecision: (decision) => told.push(decision) }) };
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

const ranks: readonly Importance[] = ["low", "middle", "high"];

const laws = [
  law<Make>("T1 nothing is refused while few calls fail, or few in number", (make) => {
    const many = open(make);
    expect(drive(many, { ms: 10_000, perSecond: 1000, failing: 20 })).toBeCloseTo(1000, 0);
    const seldom = open(make);
    expect(drive(seldom, { ms: 10_000, perSecond: 38, failing: 100 })).toBeCloseTo(38, 0);
    expect([many.told, seldom.told]).toEqual([[], []]);
  }),
  law<Make>("T2 it falls to a tenth, and two good seconds end it; begin and end are told", (make) => {
    const target = open(make);
    drive(target, { ms: 5000, perSecond: 2000, failing: 0 });
    drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    expect(target.limit.factor(target.now)).toBeCloseTo(0.1);
    expect(target.told).toEqual([{ kind: "limited", target: "user", reason: "tightened" }]);
    drive(target, { ms: 2500, perSecond: 2000, failing: 0 });
    expect(target.limit.factor(target.now)).toBe(1);
    expect(drive(target, { ms: 1000, perSecond: 2000, failing: 0 })).toBeCloseTo(2000, 0);
    expect(target.told.at(-1)).toMatchObject({ reason: "relaxed" });
  }),
  law<Make>("T2 a share of failures between the two does not limit it for ever", (make) => {
    const target = open(make);
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
  }),
  law<Make>("T2 silence ends it, too", (make) => {
    const target = open(make);
    drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    target.now += 2500;
    expect(target.limit.factor(target.now)).toBe(1);
  }),
  law<Make>("T3 no more than its factor of what came is let through", (make) => {
    const target = open(make);
    drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    const through = drive(target, { ms: 5000, perSecond: 2000, failing: 100 });
    expect(through).toBeGreaterThanOrEqual(200);
    expect(through).toBeLessThan(220);
  }),
  law<Make>("T3 it never goes below the floor", (make) => {
    const target = open(make);
    drive(target, { ms: 5000, perSecond: 100, failing: 100 });
    const through = drive(target, { ms: 5000, perSecond: 100, failing: 100 });
    expect(through).toBeGreaterThanOrEqual(50);
    expect(through).toBeLessThan(60);
  }),
  law<Make>("T4 when a call is let through, one of more importance would have been", (make) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 20 }), fc.integer({ min: 0, max: 2 }))), (calls) => {
        // The same calls up to each one, and then that call as each importance.
        const replay = (last: Importance): boolean => {
          const target = open(make);
          drive(target, { ms: 2000, perSecond: 500, failing: 100 });
          for (const [gap, rank] of calls) target.limit.admits(ranks[rank] ?? "low", (target.now += gap));
          return target.limit.admits(last, target.now);
        };
        const [low, middle, high] = ranks.map(replay);
        expect([low, middle, high]).toEqual([low, middle, high].toSorted((a, b) => Number(a) - Number(b)));
      }),
      { numRuns: 40 },
    );
  }),
  law<Make>("T4 what matters less waits first", (make) => {
    const target = open(make);
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
  }),
];

describeLaws("a limit that tightens", laws, subjectOf(right));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

/** The right one, but for what is given. */
function but(change: (inner: Tightening, options: TighteningOptions) => Partial<Limit>): Make {
  return (options) => {
    const inner = new Tightening(options);
    return {
      factor: (nowMs) => inner.factor(nowMs),
      admits: (importance, nowMs) => inner.admits(importance, nowMs),
      ended: (failed, nowMs) => inner.ended(failed, nowMs),
      ...change(inner, options),
    };
  };
}

describeMutants("a limit that tightens: mutants", laws, [
  mutant("T1", "a few failures are enough", (options) => right({ ...options, minFailures: 1 })),
  mutant(
    "T1",
    "a failure counts twice",
    but((inner) => ({
      ended: (failed, nowMs) => {
        inner.ended(failed, nowMs);
        if (failed) inner.ended(failed, nowMs);
      },
    })),
  ),
  mutant(
    "T2",
    "it never gets wider",
    but((inner) => {
      let lowest = 1;
      return { factor: (nowMs) => (lowest = Math.min(lowest, inner.factor(nowMs))) };
    }),
  ),
  mutant(
    "T2",
    "it waits for a call that goes well",
    but((inner) => {
      let lastMs = 0;
      return {
        factor: () => inner.factor(lastMs),
        ended: (failed, nowMs) => inner.ended(failed, (lastMs = nowMs)),
      };
    }),
  ),
  mutant(
    "T2",
    "any failure counts as much as many",
    but((inner) => ({ ended: (failed, nowMs) => (failed ? inner.ended(true, nowMs) : undefined) })),
  ),
  mutant("T2", "the first good call ends it", (options) => {
    let inner = new Tightening(options);
    return {
      factor: (nowMs) => inner.factor(nowMs),
      admits: (importance, nowMs) => inner.admits(importance, nowMs),
      ended: (failed, nowMs) => {
        if (!failed && inner.factor(nowMs) < 1) inner = new Tightening(options);
        inner.ended(failed, nowMs);
      },
    };
  }),
  mutant(
    "T3",
    "its factor is told and not held to",
    but((inner) => ({
      admits: (importance, nowMs) => {
        inner.admits(importance, nowMs);
        return true;
      },
    })),
  ),
  mutant("T3", "there is no floor", (options) => right({ ...options, floorPerSecond: 0 })),
  mutant("T3", "the floor is all there is", (options) => right({ ...options, floorPerSecond: 1_000 })),
  mutant(
    "T4",
    "all matter alike",
    but((inner) => ({ admits: (_, nowMs) => inner.admits("high", nowMs) })),
  ),
  mutant(
    "T4",
    "what matters less goes first",
    but((inner) => {
      const turned = { low: "high", middle: "middle", high: "low" } as const;
      return { admits: (importance, nowMs) => inner.admits(turned[importance], nowMs) };
    }),
  ),
]);
