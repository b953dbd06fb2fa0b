import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { law, type Subject, subjectOf } from "../balancing/fixture.ts";
import { Hedges, type HedgesParts, type HedgingOptions } from "./hedges.ts";

const method = "weft.search.v1.SearchService/Search";
const calm = (nowMs: number) => ({ nowMs, isCalm: true });

function hedgesWith(options: HedgingOptions = { methods: [method] }): Hedges {
  return new Hedges({ target: "search", options });
}

type Hedger = Pick<Hedges, "hedges" | "began" | "ended">;
type Make = (options: HedgingOptions) => Hedger;

const other = "weft.search.v1.SearchService/Suggest";

const laws = [
  law<Make>("G1 off unless a method opted in and is a read", (make) => {
    expect(make({}).hedges(method, true)).toBe(false);
    expect(make({ methods: [method] }).hedges(method, true)).toBe(true);
    expect(make({ methods: [method] }).hedges(method, false)).toBe(false);
    expect(make({ methods: [method] }).hedges(other, true)).toBe(false);
    expect(make({ methods: ["*"] }).hedges(other, true)).toBe(true);
    expect(make({ methods: ["*"] }).hedges(method, false)).toBe(false);
  }),
  law<Make>("G2 the wait is the method's own 95th percentile, once fifty times are known", (make) => {
    const hedges = make({ methods: ["*"] });
    for (let took = 1; took < 50; took += 1) hedges.ended(method, took, 0);
    expect(hedges.began(method, 0)).toBeUndefined();
    for (let took = 50; took <= 100; took += 1) hedges.ended(method, took, 0);
    for (let call = 0; call < 50; call += 1) hedges.ended(other, 7_000, 0);
    const delayMs = hedges.began(method, 1_000);
    expect(delayMs).toBeGreaterThanOrEqual(95);
    expect(delayMs).toBeLessThanOrEqual(95 * 1.0906);
    expect(hedges.began(method, 60_000)).toBeUndefined();
  }),
  law<Make>("G2 fast methods are not hedged sooner than after the least wait", (make) => {
    const hedges = make({ methods: [method] });
    for (let call = 0; call < 50; call += 1) hedges.ended(method, 0.3, 0);
    expect(hedges.began(method, 0)).toBe(5);
  }),
];

describeLaws("hedges", laws, subjectOf<Make>(hedgesWith));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

/** The right one, but for what is given. */
function but(change: (inner: Hedges) => Partial<Hedger>): Make {
  return (options) => {
    const inner = hedgesWith(options);
    return {
      hedges: (name, isRead) => inner.hedges(name, isRead),
      began: (name, nowMs) => inner.began(name, nowMs),
      ended: (name, tookMs, nowMs) => inner.ended(name, tookMs, nowMs),
      ...change(inner),
    };
  };
}

describeMutants("hedges: mutants", laws, [
  mutant(
    "G1",
    "what is no read is hedged, too",
    but((inner) => ({ hedges: (name) => inner.hedges(name, true) })),
  ),
  mutant("G1", "nobody has to opt in", (options) => hedgesWith({ ...options, methods: ["*"] })),
  mutant("G1", "all methods can't be named at once", ({ methods = [], ...options }) =>
    hedgesWith({ ...options, methods: methods.filter((name) => name !== "*") }),
  ),
  mutant("G2", "it hedges what takes longer than half of all", (options) => hedgesWith({ ...options, quantile: 0.5 })),
  mutant("G2", "it waits for next to nothing", (options) => hedgesWith({ ...options, minimumDelayMs: 0 })),
  mutant(
    "G2",
    "methods are not told apart",
    but((inner) => ({
      began: (_, nowMs) => inner.began(method, nowMs),
      ended: (_, tookMs, nowMs) => inner.ended(method, tookMs, nowMs),
    })),
  ),
  mutant(
    "G2",
    "a few times are enough",
    but((inner) => ({
      ended: (name, tookMs, nowMs) => {
        inner.ended(name, tookMs, nowMs);
        inner.ended(name, tookMs, nowMs);
      },
    })),
  ),
  mutant(
    "G2",
    "what it took once is believed for ever",
    but((inner) => {
      let delayMs: number | undefined;
      return { began: (name, nowMs) => (delayMs = inner.began(name, nowMs) ?? delayMs) };
    }),
  ),
]);

const history = fc.array(
  fc.record({ gapMs: fc.oneof(fc.nat(20), fc.nat(3_000)), calls: fc.nat(60), wishes: fc.nat(8), isCalm: fc.boolean() }),
  { maxLength: 60 },
);

/** G3 and G4 over a history of calls and wishes to hedge. */
function staysWithinItsBudget(make: (parts: HedgesParts) => Pick<Hedges, "began" | "take">) {
  return fc.property(history, (steps) => {
    const hedges = make({ target: "search", options: { methods: [method], maxPerSecond: 4 } });
    const moments: { atMs: number; calls: number; taken: number }[] = [];
    let atMs = 30_000;
    for (const { gapMs, calls, wishes, isCalm } of steps) {
      atMs += gapMs;
      for (let call = 0; call < calls; call += 1) hedges.began(method, atMs);
      let taken = 0;
      for (let wish = 0; wish < wishes; wish += 1) if (hedges.take(method, { nowMs: atMs, isCalm })) taken += 1;
      if (!isCalm) expect(taken).toBe(0);
      moments.push({ atMs, calls, taken });
    }
    for (const { atMs: from } of moments) {
      const sum = (pick: (moment: (typeof moments)[number]) => number) =>
        moments.reduce((all, one) => all + pick(one), 0);
      const since = (startMs: number, field: "calls" | "taken") => sum((one) => (one.atMs >= startMs ? one[field] : 0));
      expect(since(from, "taken")).toBeLessThanOrEqual(1 + 0.05 * since(from - 10_001, "calls") + 1e-6);
      expect(sum((one) => (one.atMs >= from && one.atMs < from + 1_000 ? one.taken : 0))).toBeLessThanOrEqual(4);
    }
  });
}

test("G3, G4 within a share of the calls, a number a second, and none in trouble", () => {
  fc.assert(
    staysWithinItsBudget((parts) => new Hedges(parts)),
    { numRuns: 200 },
  );
});

test.each<{ fault: string; make: (parts: HedgesParts) => Pick<Hedges, "began" | "take"> }>([
  {
    fault: "G3 it has twice the budget",
    make: (parts) => new Hedges({ ...parts, options: { ...parts.options, budgetShare: 0.1 } }),
  },
  {
    fault: "G3 a second has no bound",
    make: (parts) => new Hedges({ ...parts, options: { ...parts.options, maxPerSecond: 1_000 } }),
  },
  {
    fault: "G4 trouble is not looked at",
    make: (parts) => {
      const hedges = new Hedges(parts);
      return {
        began: (name, nowMs) => hedges.began(name, nowMs),
        take: (name, { nowMs }) => hedges.take(name, calm(nowMs)),
      };
    },
  },
])("noticed when $fault", ({ make }) => {
  expect(fc.check(staysWithinItsBudget(make), { numRuns: 1_000, seed: 1, endOnFailure: true }).failed).toBe(true);
});

test("tries that were let go keep the quantile up: the share that is hedged stays what it is", () => {
  const hedges = hedgesWith({ methods: [method], budgetShare: 1, maxPerSecond: 1e9 });
  let hedged = 0;
  const calls = 20_000;
  for (let call = 0; call < calls; call += 1) {
    const nowMs = call * 5;
    // 10 ms and a long tail (Pareto); the second try would always win.
    const tookMs = 10 / Math.sqrt(1 - ((call * 37) % 1_000) / 1_000);
    const delayMs = hedges.began(method, nowMs);
    const isHedged = delayMs !== undefined && tookMs > delayMs && hedges.take(method, calm(nowMs));
    if (isHedged) hedged += 1;
    hedges.ended(method, isHedged ? (delayMs ?? 0) + 1 : tookMs, nowMs);
  }
  expect(hedged / calls).toBeLessThan(0.06);
  expect(hedged / calls).toBeGreaterThan(0.03);
});

test("a hedge is told; options apply from then on", () => {
  const told: unknown[] = [];
  const hedges = new Hedges({ target: "search", options: { methods: ["*"] }, onDecision: (one) => told.push(one) });
  expect(hedges.take(method, calm(0))).toBe(true);
  expect(told).toEqual([{ kind: "hedged", target: "search", method, reason: "slow" }]);
  hedges.configure({});
  expect(hedges.hedges(method, true)).toBe(false);
});
