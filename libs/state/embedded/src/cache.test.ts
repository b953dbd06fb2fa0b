import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock, WeftError } from "@weft/kit";
import { type Cache, type CacheOptions, createCache, type StateStore } from "@weft/state";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { openEmbeddedState } from "./index.ts";

let dataDir: string;
let clock: ManualClock;
let store: StateStore;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-cache-"));
  clock = new ManualClock();
  store = await openEmbeddedState({ dataDir, name: "cache", clock });
});
afterEach(async () => {
  await store[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
});

function open(options: Partial<CacheOptions<string>> = {}): Cache<string> {
  return createCache<string>({
    store,
    prefix: "c/",
    ttlMs: 1000,
    encode: (value) => Buffer.from(value),
    decode: (value) => Buffer.from(value).toString(),
    clock,
    random: () => 0,
    ...options,
  });
}

test("a value is loaded once, for every handle on the store, until it is no longer fresh", async () => {
  const load = vi.fn(async () => `v${load.mock.calls.length}`);
  const [one, two] = [open(), open()];
  expect(await one.get("k", load)).toBe("v1");
  await clock.advance(999);
  expect([await one.get("k", load), await two.get("k", load)]).toEqual(["v1", "v1"]);
  await clock.advance(1);
  expect(await two.get("k", load)).toBe("v2");
});

test("many callers of one key share one load, and its failure", async () => {
  const gate = Promise.withResolvers<string>();
  const load = vi.fn(() => gate.promise);
  const cache = open();
  const calls = Array.from({ length: 50 }, () => cache.get("k", load));
  await clock.advance(0);
  gate.reject(new WeftError("UNAVAILABLE", "down"));
  const results = await Promise.allSettled(calls);
  expect(results.every((result) => result.status === "rejected")).toBe(true);
  expect(load).toHaveBeenCalledTimes(1);
  expect(await cache.get("k", async () => "later")).toBe("later");
});

test("who gives up leaves the load to the others, and the last one ends it for a new one to begin", async () => {
  const signals: AbortSignal[] = [];
  const results: PromiseWithResolvers<string>[] = [];
  const load = (signal: AbortSignal): Promise<string> => {
    signals.push(signal);
    return (results[signals.length - 1] = Promise.withResolvers<string>()).promise;
  };
  const cache = open();
  const [one, two] = [new AbortController(), new AbortController()];
  const calls = [cache.get("k", load, one.signal), cache.get("k", load, two.signal)];
  const ended = Promise.allSettled(calls);
  await clock.advance(0);
  const late = new WeftError("DEADLINE_EXCEEDED", "the deadline passed");
  one.abort(late);
  await expect(calls[0]).rejects.toBe(late);
  expect(signals.map(({ aborted }) => aborted)).toEqual([false]);
  two.abort();
  await expect(calls[1]).rejects.toMatchObject({ reason: "CANCELLED" });
  expect(signals.map(({ aborted }) => aborted)).toEqual([true]);
  // What was given up is joined by nobody and not stored, whatever comes of it.
  const next = cache.get("k", load, new AbortController().signal);
  await clock.advance(0);
  results[0]?.resolve("too late");
  results[1]?.resolve("right");
  expect(await next).toBe("right");
  expect(await cache.get("k", load)).toBe("right");
  expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
  await ended;
});

test("a load goes on for a call that can't give up, and behind a stale value", async () => {
  const signals: AbortSignal[] = [];
  const gate = Promise.withResolvers<string>();
  const load = (signal: AbortSignal): Promise<string> => {
    signals.push(signal);
    return gate.promise;
  };
  const cache = open({ staleMs: 500 });
  const leaving = new AbortController();
  const [left, staying] = [cache.get("k", load, leaving.signal), cache.get("k", load)];
  const gone = expect(left).rejects.toMatchObject({ reason: "CANCELLED" });
  await clock.advance(0);
  leaving.abort();
  await gone;
  gate.resolve("old");
  expect(await staying).toBe("old");
  await clock.advance(1200);
  const brief = new AbortController();
  expect(await cache.get("k", load, brief.signal)).toBe("old");
  brief.abort();
  await clock.advance(0);
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, false]);
});

test("a stale value is given while one load renews it", async () => {
  const cache = open({ staleMs: 500 });
  await cache.get("k", async () => "old");
  await clock.advance(1200);
  const gate = Promise.withResolvers<string>();
  const load = vi.fn(() => gate.promise);
  expect(await Promise.all([cache.get("k", load), cache.get("k", load)])).toEqual(["old", "old"]);
  gate.resolve("new");
  await clock.advance(0);
  expect(await cache.get("k", load)).toBe("new");
  expect(load).toHaveBeenCalledTimes(1);
});

test("a load that fails behind a stale value is told, and the value stays until it ends", async () => {
  const onError = vi.fn();
  const cache = open({ staleMs: 500, onError });
  await cache.get("k", async () => "old");
  await clock.advance(1200);
  const fail = (): Promise<string> => Promise.reject(new Error("no"));
  expect(await cache.get("k", fail)).toBe("old");
  await clock.advance(0);
  expect(onError).toHaveBeenCalledTimes(1);
  await clock.advance(300);
  await expect(cache.get("k", fail)).rejects.toThrow("no");
});

test("nothing is remembered as nothing, for its own time, if asked to", async () => {
  const load = vi.fn(async () => undefined);
  const forgetful = open();
  await forgetful.get("a", load);
  await forgetful.get("a", load);
  expect(load).toHaveBeenCalledTimes(2);
  const cache = open({ negativeTtlMs: 100 });
  await cache.get("b", load);
  expect(await cache.get("b", load)).toBeUndefined();
  expect(load).toHaveBeenCalledTimes(3);
  await clock.advance(100);
  await cache.get("b", load);
  expect(load).toHaveBeenCalledTimes(4);
});

test("entries made together end apart", async () => {
  let random = 0;
  const cache = open({ random: () => random });
  await cache.get("a", async () => "1");
  random = 0.99;
  await cache.get("b", async () => "1");
  await clock.advance(950);
  const again = vi.fn(async () => "2");
  expect([await cache.get("a", again), await cache.get("b", again)]).toEqual(["1", "2"]);
});

test("what was invalidated is loaded anew, also when a load was under way", async () => {
  const cache = open();
  const gate = Promise.withResolvers<string>();
  const first = cache.get("k", () => gate.promise);
  await clock.advance(0);
  await cache.invalidate("k");
  gate.resolve("outdated");
  expect(await first).toBe("outdated");
  expect(await cache.get("k", async () => "right")).toBe("right");
});

test("a store that is away costs loads, not answers; too many loads are refused", async () => {
  const errors: unknown[] = [];
  const away = new Proxy(store, {
    get: (target, name) =>
      name === "get" || name === "set"
        ? () => Promise.reject(new WeftError("UNAVAILABLE", "away"))
        : (Reflect.get(target, name, target) as unknown),
  });
  const cache = open({ store: away, maxLoads: 2, onError: (error) => errors.push(error) });
  expect(await cache.get("k", async () => "v")).toBe("v");
  expect(errors).toHaveLength(2);
  const never = (): Promise<string> => new Promise(() => {});
  void cache.get("a", never);
  void cache.get("b", never);
  await clock.advance(0);
  await expect(cache.get("c", never)).rejects.toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
});
