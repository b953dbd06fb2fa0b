import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isWeftError } from "@weft/kit";
import { type Law, Recorder, within } from "@weft/kit/testing";
import type { Discovery, Instance, InstanceList } from "../index.ts";
import type { DiscoveryFixture } from "./fixture.ts";

const soonMs = 1000;
const ttlMs = 1500;
/** For what comes at once: generous, because the machine may be busy. */
const atOnceMs = 500;

/** The laws of {@link Discovery}. */
export const laws: readonly Law<DiscoveryFixture>[] = [
  {
    title: "D1 a watcher of another process sees an instance within 1 s of its registration, as it was registered",
    run: async (fixture) => {
      await using watch = watching(await fixture.open());
      const instance = someone("a", { metadata: { version: "1.2", zone: "東京" } });
      await (await fixture.open()).register(instance);
      await watch.seen(soonMs, "the instance", [instance]);
      assert.deepEqual(await (await fixture.open()).list(), [instance]);
    },
  },
  {
    title: "D1 an instance stays listed while its process lives, far beyond its TTL",
    run: async (fixture) => {
      await using watch = watching(await fixture.open());
      const instance = someone("a");
      await (await fixture.open()).register(instance, { ttlMs });
      await watch.seen(soonMs, "the instance", [instance]);
      await sleep(2.5 * ttlMs);
      assert.equal(watch.lists.filter(({ instances }) => instances.length === 0).length, 1, "it vanished for a while");
      assert.deepEqual(watch.newest()?.instances, [instance]);
    },
  },
  {
    title: "D1 a watcher sees the instances of its service alone, sorted by id; list sees all",
    run: async (fixture) => {
      const discovery = await fixture.open();
      const other = { ...someone("a"), service: "search" };
      for (const instance of [someone("c"), other, someone("a"), someone("b")]) await discovery.register(instance);
      await using watch = watching(await fixture.open());
      await watch.seen(soonMs, "three instances", [someone("a"), someone("b"), someone("c")]);
      assert.deepEqual(await discovery.list(), [other, someone("a"), someone("b"), someone("c")]);
    },
  },
  {
    title: "D2 a watcher sees an instance gone within 1 s of its registration being disposed",
    run: async (fixture) => {
      await using watch = watching(await fixture.open());
      const discovery = await fixture.open();
      const registration = await discovery.register(someone("a"), { ttlMs: 30_000 });
      await discovery.register(someone("b"), { ttlMs: 30_000 });
      await watch.seen(soonMs, "both", [someone("a"), someone("b")]);
      await registration[Symbol.asyncDispose]();
      await registration[Symbol.asyncDispose]();
      await watch.seen(soonMs, "one left", [someone("b")]);
    },
  },
  {
    title: "D3 a watcher sees an instance gone within one TTL and 1 s of its process dying without a word",
    run: async (fixture) => {
      await using watch = watching(await fixture.open());
      const elsewhere = await fixture.registerElsewhere(someone("a"), { ttlMs });
      await watch.seen(soonMs, "the instance", [someone("a")]);
      await elsewhere.kill();
      await watch.seen(ttlMs + soonMs, "nobody", []);
      assert.deepEqual(await (await fixture.open()).list(), []);
    },
  },
  {
    title: "D4 a watcher that loses the registry keeps the last good list, says stale, and recovers by itself",
    run: async (fixture) => {
      await using watch = watching(await fixture.open());
      const discovery = await fixture.open();
      await discovery.register(someone("a"), { ttlMs });
      await watch.seen(soonMs, "the instance", [someone("a")]);
      const cut = await fixture.cut();
      await watch.until(ttlMs + 2 * soonMs, "a stale list", (list) => list.stale);
      await sleep(2 * ttlMs);
      assert.deepEqual(watch.newest(), { instances: [someone("a")], stale: true });
      await cut.restore();
      await watch.until(3 * soonMs, "a fresh list", (list) => !list.stale);
      assert.deepEqual(watch.newest()?.instances, [someone("a")], "the living vanished when the registry came back");
      await discovery.register(someone("b"));
      await watch.seen(soonMs, "a new instance after the recovery", [someone("a"), someone("b")]);
    },
  },
  {
    title: "D4 while the registry can't be reached, list rejects with a WeftError",
    run: async (fixture) => {
      const discovery = await fixture.open();
      const cut = await fixture.cut();
      await assert.rejects(discovery.list(), (error) => isWeftError(error));
      await cut.restore();
    },
  },
  {
    title: "D5 the same service and id again replaces the former entry, whose end harms nothing",
    run: async (fixture) => {
      await using watch = watching(await fixture.open());
      const [first, second] = [await fixture.open(), await fixture.open()];
      const former = await first.register(someone("a"), { ttlMs });
      const instance = someone("a", { address: "127.0.0.1:2" });
      await second.register(instance, { ttlMs });
      await watch.seen(soonMs, "the new address", [instance]);
      await sleep(1.5 * ttlMs);
      assert.deepEqual(watch.newest()?.instances, [instance], "the former entry came back");
      await former[Symbol.asyncDispose]();
      await first[Symbol.asyncDispose]();
      await sleep(atOnceMs);
      assert.deepEqual(await second.list(), [instance]);
    },
  },
  {
    title: "D6 the first list comes at once, and an equal one is not given again",
    run: async (fixture) => {
      const discovery = await fixture.open();
      await using empty = watching(discovery);
      await empty.seen(atOnceMs, "an empty first list", []);
      await discovery.register({ ...someone("x"), service: "search" }, { ttlMs });
      await using full = watching(discovery, "search");
      await full.until(atOnceMs, "a full first list", ({ instances }) => instances.length === 1);
      await sleep(2 * ttlMs);
      assert.deepEqual([empty.lists.length, full.lists.length], [1, 1], "heartbeats or others' changes were given");
    },
  },
  {
    title: "D6 a slow reader gets the newest list only",
    run: async (fixture) => {
      const discovery = await fixture.open();
      const controller = new AbortController();
      const lists = discovery.watch("user", controller.signal)[Symbol.asyncIterator]();
      await lists.next();
      for (const id of ["a", "b", "c"]) {
        await discovery.register(someone(id));
        await sleep(100);
      }
      await sleep(soonMs);
      const next = await lists.next();
      assert.deepEqual(next.value?.instances, [someone("a"), someone("b"), someone("c")]);
      controller.abort();
      assert.equal((await lists.next()).done, true);
    },
  },
  {
    title: "D6 a watch ends without error when its signal aborts, also one that was aborted before",
    run: async (fixture) => {
      const discovery = await fixture.open();
      const controller = new AbortController();
      const recorder = new Recorder(discovery.watch("user", controller.signal));
      await within(atOnceMs, "a first list", () => recorder.values.length === 1);
      controller.abort();
      await recorder.ended;
      await new Recorder(discovery.watch("user", controller.signal)).ended;
    },
  },
  {
    title: "D7 after dispose of the block, its registrations are gone and its watches have ended",
    run: async (fixture) => {
      await using watch = watching(await fixture.open());
      const discovery = await fixture.open();
      await discovery.register(someone("a"), { ttlMs: 30_000 });
      const own = new Recorder(discovery.watch("user", new AbortController().signal));
      await watch.seen(soonMs, "the instance", [someone("a")]);
      await discovery[Symbol.asyncDispose]();
      await discovery[Symbol.asyncDispose]();
      await watch.seen(soonMs, "nobody", []);
      await Promise.race([own.ended, sleep(atOnceMs).then(() => assert.fail("its watch goes on"))]);
    },
  },
  {
    title: "D8 an instance that can't be registered is INVALID_ARGUMENT and leaves no trace",
    run: async (fixture) => {
      const discovery = await fixture.open();
      const bad: readonly Instance[] = [
        { ...someone("a"), service: "" },
        { ...someone("a"), id: "" },
        { ...someone("a"), address: "" },
        someone("a", { metadata: { zone: "z".repeat(256) } }),
      ];
      const isRefusal = (error: unknown): boolean => isWeftError(error, "INVALID_ARGUMENT");
      for (const instance of bad) await assert.rejects(discovery.register(instance), isRefusal);
      await assert.rejects(discovery.register(someone("a"), { ttlMs: 10 }), isRefusal);
      assert.deepEqual(await discovery.list(), []);
    },
  },
];

function someone(id: string, more: Partial<Instance> = {}): Instance {
  return { service: "user", id, address: "127.0.0.1:1", metadata: {}, ...more };
}

/** A watch that is being read. */
function watching(discovery: Discovery, service = "user") {
  const controller = new AbortController();
  const recorder = new Recorder<InstanceList>(discovery.watch(service, controller.signal));
  return {
    lists: recorder.values,
    newest: () => recorder.last,
    until: (ms: number, what: string, holds: (list: InstanceList) => boolean) => recorder.until(ms, what, holds),
    seen: (ms: number, what: string, expected: readonly Instance[]) =>
      recorder.until(ms, what, (list) => JSON.stringify(sorted(list.instances)) === JSON.stringify(sorted(expected))),
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await recorder.ended;
    },
  };
}

/** In the given order of instances; their fields in one order, for comparing. */
function sorted(instances: readonly Instance[]) {
  return instances.map(({ service, id, address, metadata }) => [
    ...[service, id, address],
    Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}
