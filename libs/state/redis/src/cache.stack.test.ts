import { Stopwatch } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { ownNamespace } from "@weft/redis/testing";
import { boundedStore, type Cache, createCache, type StateStore } from "@weft/state";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openRedisState } from "./state.ts";

describeBackend("redis", (server) => {
  describe("a cache in Redis", () => {
    let stores: StateStore[];
    beforeEach(async () => {
      const url = ownNamespace(server().url);
      stores = await Promise.all([1, 2].map(() => openRedisState({ url, name: "cache" })));
    });
    afterEach(async () => {
      for (const store of stores) await store[Symbol.asyncDispose]();
    });

    /** One for each node. */
    const open = (ttlMs = 60_000): Cache<string>[] =>
      stores.map((store) =>
        createCache({
          store: boundedStore(async () => store, { timeoutMs: 1000 }),
          prefix: "c/",
          ttlMs,
          encode: (value) => Buffer.from(value),
          decode: (value) => Buffer.from(value).toString(),
        }),
      );

    test("a value is loaded once for all nodes, by one of many callers, until it is no longer fresh", async () => {
      const [one, two] = open(500);
      const load = vi.fn(async () => `v${load.mock.calls.length}`);
      const first = await Promise.all(Array.from({ length: 20 }, async () => one?.get("k", load)));
      expect(new Set(first)).toEqual(new Set(["v1"]));
      expect(await two?.get("k", load)).toBe("v1");
      await vi.waitFor(async () => expect(await two?.get("k", load)).toBe("v2"), { timeout: 2000 });
    });

    test("what one node invalidates, the next call on every node loads", async () => {
      const [one, two] = open();
      await one?.get("k", async () => "old");
      expect(await two?.get("k", async () => "new")).toBe("old");
      await two?.invalidate("k");
      expect(await one?.get("k", async () => "new")).toBe("new");
    });

    test("Redis dies and comes back: no call fails, few wait, and then values are shared again", async () => {
      const [one, two] = open();
      await one?.get("k", async () => "cached");
      await server().kill();
      using passed = new Stopwatch();
      for (let n = 0; n < 50; n += 1) expect(await one?.get("k", async () => "loaded")).toBe("loaded");
      expect(passed.ms).toBeLessThan(2500);
      await server().start();
      let tries = 0;
      const isShared = async (): Promise<void> => {
        const key = `back-${(tries += 1)}`;
        await one?.get(key, async () => "shared");
        expect(await two?.get(key, async () => "own")).toBe("shared");
      };
      await vi.waitFor(isShared, { timeout: 10_000, interval: 100 });
    });
  });
});
