import { describeLaws, describeMutants, type Law, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { type Bucket, levelAt, pour, remaining, resetMs, waitMs } from "./bucket.ts";
import type { Quota } from "./quota.ts";

/** A limit on one key. */
interface Meter {
  take(nowMs: number): boolean;
  remaining(nowMs: number): number;
  waitMs(nowMs: number): number;
  resetMs(nowMs: number): number;
}

interface Fixture extends AsyncDisposable {
  readonly open: (quota: Quota) => Meter;
}

const fixture = (open: Fixture["open"]) => async (): Promise<Fixture> => ({
  open,
  async [Symbol.asyncDispose]() {},
});

function bucketMeter(quota: Quota, bucket: Bucket = { level: 0, at: 0 }): Meter {
  return {
    take: (nowMs) => {
      if (remaining(bucket, quota, nowMs) === 0) return false;
      pour(bucket, quota, nowMs);
      return true;
    },
    remaining: (nowMs) => remaining(bucket, quota, nowMs),
    waitMs: (nowMs) => waitMs(bucket, quota, nowMs),
    resetMs: (nowMs) => resetMs(bucket, quota, nowMs),
  };
}

const quotas = fc.record({
  count: fc.integer({ min: 1, max: 200 }),
  windowMs: fc.integer({ min: 1, max: 20 }).map((seconds) => seconds * 1000),
});
/** Milliseconds between calls: mostly together, some far apart. */
const gaps = fc.array(fc.oneof(fc.integer({ min: 0, max: 30 }), fc.integer({ min: 0, max: 5000 })), {
  minLength: 1,
  maxLength: 150,
});

const laws: readonly Law<Fixture>[] = [
  {
    title: "B1 no interval has more calls than the quota and the rate give it",
    async run({ open }) {
      fc.assert(
        fc.property(quotas, gaps, (quota, between) => {
          const meter = open(quota);
          const taken: number[] = [];
          let now = 0;
          for (const gap of between) {
            now += gap;
            for (let n = 0; n < 5; n += 1) if (meter.take(now)) taken.push(now);
          }
          taken.forEach((from, first) => {
            taken.slice(first).forEach((to, more) => {
              expect((more + 1) * quota.windowMs).toBeLessThanOrEqual(
                quota.count * quota.windowMs + (to - from) * quota.count,
              );
            });
          });
        }),
        { numRuns: 60 },
      );
    },
  },
  {
    title: "B2 whoever is refused is taken after the wait, and not a millisecond before",
    async run({ open }) {
      fc.assert(
        fc.property(quotas, gaps, (quota, between) => {
          const meter = open(quota);
          let now = 0;
          for (const gap of between) {
            now += gap;
            while (meter.take(now));
            const wait = meter.waitMs(now);
            expect(wait).toBeGreaterThan(0);
            expect(meter.take(now + wait - 1)).toBe(false);
            now += wait;
            expect(meter.take(now)).toBe(true);
          }
        }),
      );
    },
  },
  {
    title: "B3 whoever stays below the rate is never refused",
    async run({ open }) {
      fc.assert(
        fc.property(quotas, fc.integer({ min: 0, max: 1000 }), (quota, start) => {
          const meter = open(quota);
          for (let n = 0; n < 1000; n += 1) {
            expect(meter.take(start + Math.ceil((n * quota.windowMs) / quota.count))).toBe(true);
          }
        }),
      );
    },
  },
  {
    title: "B4 what remains is taken and no more; at the reset it is the whole quota again, and not before",
    async run({ open }) {
      fc.assert(
        fc.property(quotas, gaps, (quota, between) => {
          const meter = open(quota);
          let now = 0;
          for (const gap of between.slice(0, 20)) {
            now += gap;
            const left = meter.remaining(now);
            for (let n = 0; n < left; n += 1) expect(meter.take(now)).toBe(true);
            expect(meter.take(now)).toBe(false);
            const reset = meter.resetMs(now);
            expect(meter.remaining(now + reset)).toBe(quota.count);
            expect(meter.remaining(now + reset - 1)).toBeLessThan(quota.count);
            now += Math.floor(reset / 2);
          }
        }),
      );
    },
  },
  {
    title: "B5 a clock that goes back takes nothing out",
    async run({ open }) {
      const meter = open({ count: 3, windowMs: 3000 });
      for (let n = 0; n < 3; n += 1) expect(meter.take(10_000)).toBe(true);
      expect(meter.take(1000)).toBe(false);
      expect(meter.take(10_000)).toBe(false);
      expect(meter.waitMs(9000)).toBe(2000);
      expect(meter.take(11_000)).toBe(true);
      expect(meter.take(11_000)).toBe(false);
    },
  },
];

const wrong = (fault: string, breaks: string, change: (quota: Quota) => Partial<Meter>): Mutant<Fixture> => ({
  fault,
  breaks,
  open: fixture((quota) => ({ ...bucketMeter(quota), ...change(quota) })),
});

/** The same meter, asked with another idea of the quota or the time. */
const other = (fault: string, breaks: string, open: Fixture["open"]): Mutant<Fixture> => ({
  fault,
  breaks,
  open: fixture(open),
});

const mutants: readonly Mutant<Fixture>[] = [
  other("the quota is given anew with each window", "B1", (quota) => {
    let window = -1;
    let used = 0;
    const take = (nowMs: number): boolean => {
      const current = Math.floor(nowMs / quota.windowMs);
      if (current !== window) [window, used] = [current, 0];
      return (used += 1) <= quota.count;
    };
    return { ...bucketMeter(quota), take };
  }),
  other("quiet times are saved up", "B1", (quota) => {
    const bucket = { level: 0, at: 0 };
    const take = (nowMs: number): boolean => {
      const level = bucket.level - (nowMs - bucket.at) * quota.count;
      if (level + quota.windowMs > quota.count * quota.windowMs) return false;
      [bucket.level, bucket.at] = [level + quota.windowMs, nowMs];
      return true;
    };
    return { ...bucketMeter(quota), take };
  }),
  other("there is room for one more", "B1", (quota) => bucketMeter({ ...quota, count: quota.count + 1 })),
  other("the wait is that for the whole quota", "B2", (quota) => {
    const meter = bucketMeter(quota);
    return { ...meter, waitMs: (nowMs) => meter.resetMs(nowMs) };
  }),
  other("a refused call counts, too", "B2", (quota) => {
    const bucket: Bucket = { level: 0, at: 0 };
    const meter = bucketMeter(quota, bucket);
    const take = (nowMs: number): boolean => {
      const room = remaining(bucket, quota, nowMs) > 0;
      pour(bucket, quota, nowMs);
      return room;
    };
    return { ...meter, take };
  }),
  other("the level is kept in whole calls", "B3", (quota) => {
    const bucket: Bucket = { level: 0, at: 0 };
    const take = (nowMs: number): boolean => {
      const drained = Math.floor(((nowMs - bucket.at) * quota.count) / quota.windowMs);
      [bucket.level, bucket.at] = [Math.max(0, bucket.level - drained), nowMs];
      if (bucket.level >= quota.count) return false;
      bucket.level += 1;
      return true;
    };
    return { ...bucketMeter(quota), take };
  }),
  wrong("it always tells of one left", "B4", () => ({ remaining: () => 1 })),
  other("the reset is told in rounded seconds", "B4", (quota) => {
    const meter = bucketMeter(quota);
    return { ...meter, resetMs: (nowMs) => Math.ceil(meter.resetMs(nowMs) / 1000) * 1000 };
  }),
  other("time is a difference of either sign", "B5", (quota) => {
    const bucket: Bucket = { level: 0, at: 0 };
    const take = (nowMs: number): boolean => {
      const level = levelAt(bucket, quota, bucket.at + Math.abs(nowMs - bucket.at));
      [bucket.level, bucket.at] = [level, nowMs];
      if (remaining(bucket, quota, nowMs) === 0) return false;
      pour(bucket, quota, nowMs);
      return true;
    };
    return { ...bucketMeter(quota, bucket), take };
  }),
];

describeLaws("bucket", laws, fixture(bucketMeter));
describeMutants("bucket mutants", laws, mutants);
