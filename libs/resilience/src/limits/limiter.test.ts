import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { law, type Subject, subjectOf } from "../balancing/fixture.ts";
import { type Draw, Limiter, type LimiterOptions } from "./limiter.ts";
import { parseQuota, type Quota } from "./quota.ts";
import { RecentKeys } from "./recent-keys.ts";

const second = (count: number): Quota => ({ count, windowMs: 1000 });
const draw = (limit: string, key = "k"): Draw => ({ limit, key });

type Limits = Pick<Limiter, "take" | "configure">;
type Make = (options: LimiterOptions) => Limits;

const right: Make = (options) => new Limiter(options);

/** How many calls are taken at once. */
function takeAll(limiter: Limits, draws: readonly Draw[], nowMs: number): number {
  let taken = 0;
  while (taken < 1_000 && limiter.take(draws, nowMs).admitted) taken += 1;
  return taken;
}

const laws = [
  law<Make>("L1 a call is taken by all of its limits or counts in none", (make) => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.constantFrom("a", "b", "both"), { maxLength: 60 }),
        (a, b, calls) => {
          const limiter = make({ quotas: { a: second(a), b: second(b) } });
          const used = { a: 0, b: 0 };
          for (const call of calls) {
            const limits = call === "both" ? (["a", "b"] as const) : ([call] as readonly ("a" | "b")[]);
            const fits = limits.every((limit) => used[limit] < { a, b }[limit]);
            const verdict = limiter.take(
              limits.map((limit) => draw(limit)),
              5,
            );
            expect(verdict.admitted).toBe(fits);
            if (fits) for (const limit of limits) used[limit] += 1;
          }
          expect(takeAll(limiter, [draw("a")], 5)).toBe(a - used.a);
          expect(takeAll(limiter, [draw("b")], 5)).toBe(b - used.b);
        },
      ),
    );
  }),
  law<Make>("L1 the verdict tells of the first limit, and a refusal of the one that refused", (make) => {
    const limiter = make({ quotas: { mine: second(10), all: second(2) } });
    const draws = [draw("unknown"), draw("mine"), draw("all")];
    const standing = { limit: "mine", quota: second(10), remaining: 9, resetMs: 100 };
    expect(limiter.take(draws, 0)).toEqual({ admitted: true, standing });
    limiter.take(draws, 0);
    expect(limiter.take(draws, 0)).toEqual({
      admitted: false,
      retryAfterMs: 500,
      standing: { limit: "all", quota: second(2), remaining: 0, resetMs: 1000 },
    });
    expect(limiter.take([draw("unknown")], 0)).toEqual({ admitted: true, standing: undefined });
  }),
  law<Make>("L2 each key has the whole quota", (make) => {
    const limiter = make({ quotas: { a: second(3) } });
    expect(["x", "y", "z"].map((key) => takeAll(limiter, [draw("a", key)], 0))).toEqual([3, 3, 3]);
  }),
  law<Make>("L3 who pushes its own key out gains one call by it, and a new key has one call meanwhile", (make) => {
    const limiter = make({ quotas: { a: second(50) }, maxKeys: 100 });
    expect(takeAll(limiter, [draw("a", "abuser")], 0)).toBe(50);
    let gained = 0;
    for (let n = 0; n < 1000; n += 1) {
      limiter.take([draw("a", `other ${n}`)], 1);
      gained += takeAll(limiter, [draw("a", "abuser")], 1);
    }
    expect(gained).toBe(0);
    for (let round = 0; round < 10; round += 1) {
      for (let n = 0; n < 200; n += 1) limiter.take([draw("a", `round ${round} ${n}`)], 1);
      gained += takeAll(limiter, [draw("a", "abuser")], 1);
    }
    expect(gained).toBe(10);
    expect(takeAll(limiter, [draw("a", "new")], 1)).toBe(1);
    expect(takeAll(limiter, [draw("a", "new and late")], 3000)).toBe(50);
  }),
  law<Make>("L4 a new quota is used to the share to which the old one was", (make) => {
    const limiter = make({ quotas: { a: second(100), gone: second(1) } });
    for (let n = 0; n < 50; n += 1) limiter.take([draw("a")], 0);
    limiter.configure({ a: { count: 10, windowMs: 10_000 } });
    expect(limiter.take([draw("gone")], 0).admitted).toBe(true);
    expect(takeAll(limiter, [draw("a")], 0)).toBe(5);
    expect(takeAll(limiter, [draw("a")], 999)).toBe(0);
    expect(takeAll(limiter, [draw("a")], 1000)).toBe(1);
  }),
];

describeLaws("limits by key", laws, subjectOf(right));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

/** The right one, but for what is given. */
function but(change: (inner: Limiter, options: LimiterOptions) => Partial<Limits>): Make {
  return (options) => {
    const inner = new Limiter(options);
    return {
      take: (draws, nowMs) => inner.take(draws, nowMs),
      configure: (quotas) => inner.configure(quotas),
      ...change(inner, options),
    };
  };
}

describeMutants("limits by key: mutants", laws, [
  mutant(
    "L1",
    "a refused call counts in the limits that had room",
    but((inner) => ({
      take: (draws, nowMs) => {
        let verdict = inner.check(draws, nowMs);
        for (const one of draws) {
          const next = inner.take([one], nowMs);
          if (!next.admitted) verdict = next;
        }
        return verdict;
      },
    })),
  ),
  mutant(
    "L1",
    "the first limit alone is looked at",
    but((inner) => ({ take: (draws, nowMs) => inner.take(draws.slice(0, 1), nowMs) })),
  ),
  mutant(
    "L1",
    "the verdict is that of the last limit",
    but((inner) => ({ take: (draws, nowMs) => inner.take(draws.toReversed(), nowMs) })),
  ),
  mutant(
    "L2",
    "all keys are one",
    but((inner) => ({
      take: (draws, nowMs) =>
        inner.take(
          draws.map(({ limit }) => draw(limit)),
          nowMs,
        ),
    })),
  ),
  mutant("L3", "keys are kept without a bound", (options) => right({ ...options, maxKeys: 1e9 })),
  mutant("L3", "all keys are forgotten when there are too many", (options) => {
    let inner = new Limiter(options);
    let calls = 0;
    return {
      take: (draws, nowMs) => {
        calls += 1;
        if (calls % (options.maxKeys ?? 1e9) === 0) inner = new Limiter(options);
        return inner.take(draws, nowMs);
      },
      configure: (quotas) => inner.configure(quotas),
    };
  }),
  mutant("L4", "a new quota is a new start", (options) => {
    let inner = new Limiter(options);
    return {
      take: (draws, nowMs) => inner.take(draws, nowMs),
      configure: (quotas) => void (inner = new Limiter({ ...options, quotas })),
    };
  }),
  mutant(
    "L4",
    "a new quota is none",
    but(() => ({ configure: () => undefined })),
  ),
]);

test("K1, K2 keys are kept while they are used, never more than allowed, and forgotten when idle", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 12 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 150 })), { maxLength: 200 }),
      (maxKeys, uses) => {
        const keys = new RecentKeys<number>({ maxKeys, idleMs: 100 });
        const usedAt = new Map<string, number>();
        let now = 0;
        for (const [id, gap] of uses) {
          now += gap;
          const key = String(id);
          const before = usedAt.get(key);
          const found = keys.get(key, now);
          // Two generations of half the keys each hold all that were used lately.
          const since = [...usedAt.values()].filter((at) => at >= (before ?? 0)).length;
          if (before !== undefined && now - before < 100 && since <= maxKeys / 2) expect(found).toBe(id);
          if (before !== undefined && now - before >= 300) expect(found).toBeUndefined();
          if (found === undefined) keys.set(key, id, now);
          usedAt.set(key, now);
          expect(keys.size).toBeLessThanOrEqual(maxKeys);
        }
      },
    ),
  );
  const keys = new RecentKeys<string>({ maxKeys: 10, idleMs: 100 });
  keys.set("a", "A", 0);
  expect(keys.get("b", 500)).toBeUndefined();
  expect(keys.size).toBe(0);
});

test("a quota is read as people write it", () => {
  expect(parseQuota("100/10s")).toEqual({ count: 100, windowMs: 10_000 });
  expect(parseQuota(" 5/m ")).toEqual({ count: 5, windowMs: 60_000 });
  expect(parseQuota("1000000/1h")).toEqual({ count: 1_000_000, windowMs: 3_600_000 });
  for (const bad of ["", "5", "0/s", "-1/s", "1.5/s", "5/500ms", "5/0s", "5/2h", "1000001/s", "5/s,6/s", "x/s"]) {
    expect(parseQuota(bad)).toBeUndefined();
  }
});
