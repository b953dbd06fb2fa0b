import { systemClock } from "@weft/kit";
import { describeBackend } from "@weft/native/testing";
import { ownNamespace } from "@weft/redis/testing";
import { boundedStore, type StateStore } from "@weft/state";
import { openRedisState } from "@weft/state-redis";
import type { Decision } from "@weft/resilience";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SharedLimiter } from "./index.ts";
import { overshoot, type Taken, takeOf } from "./shared-limits.fixture.ts";

describeBackend("redis", (server) => {
  describe("limits that processes share in Redis", () => {
    const quota = { count: 400, windowMs: 1000 };
    let stores: StateStore[];
    let told: Decision[];
    let limiters: SharedLimiter[];
    beforeEach(async () => {
      const url = ownNamespace(server().url);
      stores = await Promise.all([1, 2, 3].map(() => openRedisState({ url, name: "limits" })));
      told = [];
      limiters = stores.map(
        (store) =>
          new SharedLimiter({
            quotas: { a: quota },
            store: boundedStore(async () => store, { timeoutMs: 1000 }),
            service: "gateway",
            onDecision: (decision) => told.push(decision),
          }),
      );
    });
    afterEach(async () => {
      for (const store of stores) await store[Symbol.asyncDispose]();
    });

    test("S2, S3 three of them want three times the quota, and take it once", async () => {
      const taken: Taken[] = [];
      const startMs = performance.now();
      const want = async (limiter: SharedLimiter): Promise<void> => {
        for (let step = 0; step < 300; step += 1) {
          // Taken at some time in between: the later one makes intervals shorter, and the law stricter.
          const calls = await takeOf(limiter, 4);
          taken.push({ atMs: performance.now(), calls });
          await systemClock.sleep(10);
        }
      };
      await Promise.all(limiters.map(want));
      const tookMs = performance.now() - startMs;
      const all = taken.reduce((sum, { calls }) => sum + calls, 0);
      const shares = { quota, processes: 3, leaseMs: 1000 };
      // Answers that a stall holds up come together: allow what the quota gives in a second.
      expect(
        overshoot(
          taken.toSorted((a, b) => a.atMs - b.atMs),
          shares,
        ),
      ).toBeLessThanOrEqual(quota.count);
      expect(all).toBeGreaterThan(0.8 * (quota.count + (tookMs / 1000) * quota.count));
      expect(told).toEqual([]);
    });

    test("S5 Redis dies and comes back: no call fails, and the limit is shared again", async () => {
      const [one, two] = limiters;
      if (one === undefined || two === undefined) throw new Error("no limiters");
      await takeOf(one, 50);
      await server().kill();
      expect(await takeOf(one, 100, "away")).toBe(100);
      expect(told.map(({ reason }) => reason)).toContain("store away");
      await server().start();
      let tries = 0;
      const isShared = async (): Promise<void> => {
        const key = `back ${(tries += 1)}`;
        await takeOf(one, 400, key);
        expect(await takeOf(two, 400, key)).toBeLessThan(300);
      };
      await vi.waitFor(isShared, { timeout: 15_000, interval: 500 });
      expect(told.map(({ reason }) => reason)).toContain("shared again");
    });
  });
});
