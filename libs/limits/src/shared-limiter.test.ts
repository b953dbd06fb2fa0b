import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock, WeftError } from "@weft/kit";
import { Limiter, type Quota } from "@weft/resilience";
import type { CacheStore, StateStore } from "@weft/state";
import { openEmbeddedState } from "@weft/state-embedded";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openProcesses, overshoot, type Processes, type Taken, takeOf } from "./shared-limits.fixture.ts";

let dataDir: string;
let stores: StateStore[];
let clock: ManualClock;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-limits-"));
  clock = new ManualClock();
  stores = [];
  for (let n = 0; n < 3; n += 1) stores.push(await openEmbeddedState({ dataDir, name: "limits", clock }));
});
afterEach(async () => {
  for (const store of stores) await store[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

const leaseMs = 1000;
const quotas = fc.record({
  count: fc.integer({ min: 1, max: 400 }),
  windowMs: fc.integer({ min: 1, max: 5 }).map((seconds) => seconds * 1000),
});
/** Which process gets how many calls at once, after how many milliseconds. */
const schedules = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 2 }), fc.integer({ min: 0, max: 150 }), fc.integer({ min: 0, max: 700 })),
  { minLength: 5, maxLength: 40 },
);
let runs = 0;

/** Plays a schedule under a key of its own, and gives what was taken by each process. */
async function play(
  { limiters, clock: time }: Processes,
  schedule: readonly (readonly [number, number, number])[],
): Promise<readonly (readonly Taken[])[]> {
  const key = `run ${(runs += 1)}`;
  const taken: Taken[][] = limiters.map(() => []);
  for (const [process, calls, gapMs] of schedule) {
    await time.advance(gapMs);
    const limiter = limiters[process % limiters.length];
    if (limiter === undefined) continue;
    taken[process % limiters.length]?.push({ atMs: time.monotonic(), calls: await takeOf(limiter, calls, key) });
  }
  return taken;
}

/** The most that law S2 was broken by, over many schedules. */
async function worstOvershoot(open: (quota: Quota) => Processes, numRuns: number): Promise<number> {
  let worst = Number.NEGATIVE_INFINITY;
  await fc.assert(
    fc.asyncProperty(quotas, schedules, async (quota, schedule) => {
      const processes = open(quota);
      const taken = (await play(processes, schedule)).flat().toSorted((a, b) => a.atMs - b.atMs);
      worst = Math.max(worst, overshoot(taken, { quota, processes: processes.limiters.length, leaseMs }));
    }),
    { numRuns, seed: 20_261_121 },
  );
  return worst;
}

describe("limits that processes share", { timeout: 60_000 }, () => {
  test("S1 one process takes no more than a limiter of its own", async () => {
    await fc.assert(
      fc.asyncProperty(quotas, schedules, async (quota, schedule) => {
        const processes = openProcesses(stores.slice(0, 1), { quotas: { a: quota }, clock });
        const own = new Limiter({ quotas: { a: quota } });
        const draws = [{ limit: "a", key: "k" }];
        const [taken = []] = await play(processes, schedule);
        for (const { atMs, calls } of taken) {
          for (let n = 0; n < calls; n += 1) expect(own.take(draws, atMs).admitted).toBe(true);
        }
      }),
      { numRuns: 25 },
    );
  });

  test("S2 three processes together stay within the bound", async () => {
    expect(
      await worstOvershoot((quota) => openProcesses(stores, { quotas: { a: quota }, clock }), 60),
    ).toBeLessThanOrEqual(0);
  });

  test("S3 what they want beyond the quota, they take up to the whole of it", async () => {
    const { limiters } = openProcesses(stores, { quotas: { a: { count: 500, windowMs: 1000 } }, clock });
    let taken = 0;
    for (let step = 0; step < 100; step += 1) {
      for (const limiter of limiters) taken += await takeOf(limiter, 20);
      await clock.advance(50);
    }
    // Five seconds of it, and the quota that was there before.
    expect(taken).toBeGreaterThan(0.97 * 3000);
    expect(taken).toBeLessThan(3000 + 3 * 60 + 500);
  });

  test("S4 of several limits all have room, or none is drawn from", async () => {
    const quota = { a: { count: 5, windowMs: 10_000 }, b: { count: 100, windowMs: 10_000 } };
    const { limiters } = openProcesses(stores, { quotas: quota, clock });
    const [one, two] = limiters;
    if (one === undefined || two === undefined) throw new Error("no limiters");
    expect(await takeOf(one, 5)).toBe(5);
    const both = await Promise.all(
      Array.from({ length: 200 }, () => [
        { limit: "a", key: "k" },
        { limit: "b", key: "k" },
      ]).map(async (draws) => two.take(draws)),
    );
    // The second process' free call, and what the first took of its own free one.
    expect(both.filter(({ admitted }) => admitted).length).toBeLessThanOrEqual(2);
    // What was lent to the second for calls that were refused is its to give for others.
    expect(await takeOf(two, 200, "k", "b")).toBeGreaterThanOrEqual(100 - 3);
  });

  test("S4 a refusal says which limit it was, and when to come back", async () => {
    const { limiters } = openProcesses(stores, { quotas: { a: { count: 10, windowMs: 10_000 } }, clock });
    const [one, two] = limiters;
    if (one === undefined || two === undefined) throw new Error("no limiters");
    await takeOf(one, 10);
    await takeOf(two, 10);
    const verdict = await two.take([{ limit: "a", key: "k" }]);
    expect(verdict).toMatchObject({ admitted: false, standing: { limit: "a", remaining: 0 } });
    if (verdict.admitted) return;
    expect(verdict.retryAfterMs).toBeGreaterThan(0);
    await clock.advance(verdict.retryAfterMs);
    expect(await takeOf(two, 1)).toBe(1);
  });

  test("S5 without the store each limits by itself; the way there and back is told once", async () => {
    const processes = openProcesses(stores, { quotas: { a: { count: 100, windowMs: 1000 } }, clock });
    const [one, two] = processes.limiters;
    if (one === undefined || two === undefined) throw new Error("no limiters");
    processes.breakStore(new WeftError("UNAVAILABLE", "no store"));
    expect([await takeOf(one, 300), await takeOf(two, 300)]).toEqual([100, 100]);
    expect(processes.told).toMatchObject([{ reason: "store away" }, { reason: "store away" }]);
    const before = processes.asked();
    for (let ms = 0; ms < 900; ms += 100) {
      await clock.advance(100);
      const verdict = one.take([{ limit: "a", key: "other" }]);
      expect(verdict).not.toBeInstanceOf(Promise);
      await takeOf(one, 20);
    }
    expect(processes.asked()).toBe(before);
    processes.breakStore(undefined);
    await clock.advance(5000);
    await takeOf(one, 100);
    await takeOf(two, 100);
    expect(processes.told.map(({ reason }) => reason).slice(2)).toEqual(["shared again", "shared again"]);
  });

  test("S3 a wall clock that is turned back keeps nobody from what the store gives", async () => {
    const wall = { aheadMs: 3_600_000 };
    const turned: ManualClock = Object.create(clock, {
      now: { value: () => clock.now() + wall.aheadMs },
      monotonic: { value: () => clock.monotonic() },
    });
    const quota = { count: 10, windowMs: 10_000 };
    const { limiters } = openProcesses(stores.slice(0, 1), { quotas: { a: quota }, clock: turned });
    const [one] = limiters;
    if (one === undefined) throw new Error("no limiter");
    expect(await takeOf(one, 20)).toBe(10);
    wall.aheadMs = 0;
    let taken = 0;
    for (let second = 0; second < 60; second += 1) {
      await clock.advance(1000);
      taken += await takeOf(one, 1);
    }
    // Until the store forgets what was written in the future there are the free calls alone.
    expect(taken).toBeGreaterThan(30);
  });

  test("S6 few calls ask the store, and those of a caller far below the limit never do", async () => {
    const processes = openProcesses(stores, { quotas: { a: { count: 10_000, windowMs: 1000 } }, clock });
    const [one] = processes.limiters;
    if (one === undefined) throw new Error("no limiter");
    for (let second = 0; second < 60; second += 1) {
      for (let n = 0; n < 150; n += 1) expect(one.take([{ limit: "a", key: "slow" }])).not.toBeInstanceOf(Promise);
      await clock.advance(1000);
    }
    expect(processes.asked()).toBe(0);
    expect(await takeOf(one, 10_000)).toBe(10_000);
    for (let step = 0; step < 100; step += 1) {
      await clock.advance(10);
      await takeOf(one, 100);
    }
    expect(processes.asked()).toBeLessThan(60);
    // One call after the other: what is borrowed at a time grows with what was used.
    const before = processes.asked();
    for (let n = 0; n < 5000; n += 1) expect(await takeOf(one, 1, "one by one")).toBe(1);
    expect(processes.asked() - before).toBeLessThan(40);
  });

  test("S7 whoever pushes its own key out finds that the store remembers", async () => {
    const quota = { count: 50, windowMs: 60_000 };
    const { limiters } = openProcesses(stores, { quotas: { a: quota }, maxKeys: 40, clock });
    const [one] = limiters;
    if (one === undefined) throw new Error("no limiter");
    expect(await takeOf(one, 60, "abuser")).toBe(50);
    let gained = 0;
    for (let round = 0; round < 5; round += 1) {
      for (let n = 0; n < 80; n += 1) await takeOf(one, 1, `other ${round} ${n}`);
      gained += await takeOf(one, 60, "abuser");
    }
    // What was free at first was never in the store.
    expect(gained).toBeLessThanOrEqual(1);
  });

  test("a new quota is shared from the start; the others go on", async () => {
    const { limiters } = openProcesses(stores, {
      quotas: { a: { count: 10, windowMs: 10_000 }, b: { count: 10, windowMs: 10_000 } },
      clock,
    });
    const [one] = limiters;
    if (one === undefined) throw new Error("no limiter");
    await takeOf(one, 10, "k", "a");
    await takeOf(one, 10, "k", "b");
    one.configure({ a: { count: 100, windowMs: 10_000 }, b: { count: 10, windowMs: 10_000 } });
    await clock.advance(5000);
    expect(await takeOf(one, 100, "k", "a")).toBe(50);
    expect(await takeOf(one, 100, "k", "b")).toBe(5);
    one.configure({});
    expect(await takeOf(one, 100, "k", "a")).toBe(100);
  });
});

describe("mutants of shared limits", () => {
  type Change = (store: StateStore) => Pick<CacheStore, "get" | "set">;
  const mutants: readonly (readonly [fault: string, change: Change])[] = [
    [
      "writes over what others took",
      (store) => ({
        get: (key) => store.get(key),
        set: (key, value, options) =>
          store.set(key, value, options?.ttlMs === undefined ? {} : { ttlMs: options.ttlMs }),
      }),
    ],
    [
      "forgets at once",
      (store) => ({
        get: (key) => store.get(key),
        set: async (key, value, options) => {
          const etag = await store.set(key, value, options);
          await store.delete(key);
          return etag;
        },
      }),
    ],
    [
      "has a store for each process",
      (store) => {
        const own = `process ${stores.indexOf(store)}`;
        return {
          get: (key) => store.get(`${own} ${key}`),
          set: (key, value, options) => store.set(`${own} ${key}`, value, options),
        };
      },
    ],
  ];

  test.each(mutants)(
    "S2 fails when it %s",
    async (_, change) => {
      const open = (quota: Quota): Processes => openProcesses(stores.map(change), { quotas: { a: quota }, clock });
      expect(await worstOvershoot(open, 60)).toBeGreaterThan(0);
    },
    60_000,
  );

  test("S2 fails when what was lent is good for ever", async () => {
    const quota = { count: 400, windowMs: 20_000 };
    // Each process borrows when its free calls are used up, uses one of the last it got, and comes back much later.
    const one = (process: number) => Array.from({ length: 39 }, () => [process, 1, 0] as const);
    const later = [0, 1, 2].map((process) => [process, 300, process === 0 ? 25_000 : 0] as const);
    const schedule = [...one(0), ...one(1), ...one(2), ...later];
    const worst = async (lentMs: number): Promise<number> => {
      const processes = openProcesses(stores, { quotas: { a: quota }, clock, leaseMs: lentMs });
      const taken = (await play(processes, schedule)).flat().toSorted((a, b) => a.atMs - b.atMs);
      return overshoot(taken, { quota, processes: 3, leaseMs });
    };
    expect(await worst(leaseMs)).toBeLessThanOrEqual(0);
    expect(await worst(1_000_000)).toBeGreaterThan(0);
  });
});
