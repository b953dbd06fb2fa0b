import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { isWeftError } from "@weft/kit";
import { type Law, Recorder } from "@weft/kit/testing";
import type { ConfigurationItem, ConfigurationStore, ConfigurationUpdate } from "../index.ts";
import type { ConfigurationFixture } from "./fixture.ts";

const soonMs = 1000;
/** For what comes at once: generous, because the machine may be busy. */
const atOnceMs = 500;

/** The laws of {@link ConfigurationStore}. */
export const laws: readonly Law<ConfigurationFixture>[] = [
  {
    title: "C1 get gives what any process set, as it was set, and leaves missing keys out",
    run: async (fixture) => {
      const [first, second] = [await fixture.open(), await fixture.open()];
      assert.deepEqual(values(await first.get(["a"])), {});
      await first.set("a", "1");
      await first.set("empty", "");
      await first.set("schön/東京.x", "an\n'odd' \"value\" 🙂");
      const found = await second.get(["a", "missing", "empty", "schön/東京.x", "a"]);
      assert.deepEqual(values(found), { a: "1", empty: "", "schön/東京.x": "an\n'odd' \"value\" 🙂" });
      await first.set("a", undefined);
      await first.set("never", undefined);
      assert.deepEqual(values(await second.get(["a"])), {});
    },
  },
  {
    title: "C1 no keys means all of them",
    run: async (fixture) => {
      const store = await fixture.open();
      assert.deepEqual(values(await store.get([])), {});
      await store.set("a", "1");
      await store.set("b", "2");
      assert.deepEqual(values(await store.get([])), { a: "1", b: "2" });
    },
  },
  {
    title: "C1 what a process set survives its end",
    run: async (fixture) => {
      const store = await fixture.open();
      await fixture.setElsewhere("a", "1");
      assert.deepEqual(values(await store.get(["a"])), { a: "1" });
    },
  },
  {
    title: "C2 a watcher gets the present items at once, and every change of another process within 1 s",
    run: async (fixture) => {
      const [first, second] = [await fixture.open(), await fixture.open()];
      await first.set("a", "1");
      await using watch = watching(second, ["a", "b"]);
      await watch.seen(atOnceMs, { a: "1" });
      await first.set("a", "2");
      await watch.seen(soonMs, { a: "2" });
      await first.set("b", "3");
      await watch.seen(soonMs, { a: "2", b: "3" });
      await first.set("a", undefined);
      await watch.seen(soonMs, { b: "3" });
    },
  },
  {
    title: "C2 a watcher is not told of other keys, nor twice of the same",
    run: async (fixture) => {
      const store = await fixture.open();
      await using watch = watching(await fixture.open(), ["a"]);
      await watch.seen(atOnceMs, {});
      await store.set("b", "1");
      await sleep(soonMs);
      assert.equal(watch.updates.length, 1);
      await using all = watching(await fixture.open(), []);
      await all.seen(atOnceMs, { b: "1" });
      await store.set("c", "2");
      await all.seen(soonMs, { b: "1", c: "2" });
    },
  },
  {
    title: "C2 a watch ends without error when its signal aborts, and when its store is disposed",
    run: async (fixture) => {
      const store = await fixture.open();
      const controller = new AbortController();
      const one = new Recorder(store.watch(["a"], controller.signal));
      const other = new Recorder(store.watch(["a"], new AbortController().signal));
      for (const recorder of [one, other]) await recorder.until(atOnceMs, "the present items", () => true);
      controller.abort();
      await one.ended;
      await new Recorder(store.watch(["a"], controller.signal)).ended;
      await store[Symbol.asyncDispose]();
      await store[Symbol.asyncDispose]();
      await Promise.race([other.ended, sleep(atOnceMs).then(() => assert.fail("the watch goes on"))]);
    },
  },
  {
    title: "C3 a watcher that loses the store keeps the last good items, says stale, and recovers by itself",
    run: async (fixture) => {
      const store = await fixture.open();
      await store.set("a", "1");
      await using watch = watching(await fixture.open(), ["a"]);
      await watch.seen(atOnceMs, { a: "1" });
      const cut = await fixture.cut();
      await watch.until(3 * soonMs, "stale items", (update) => update.stale);
      assert.deepEqual(values(watch.newest()?.items), { a: "1" });
      await assert.rejects(store.get(["a"]), (error) => isWeftError(error));
      await cut.restore();
      await watch.until(3 * soonMs, "fresh items", (update) => !update.stale);
      assert.deepEqual(values(watch.newest()?.items), { a: "1" });
      await store.set("a", "2");
      await watch.seen(soonMs, { a: "2" });
    },
  },
  {
    title: "C4 a write changes the version, also one of the same value or of a key that was removed before",
    run: async (fixture) => {
      const store = await fixture.open();
      const versions = new Set<string | undefined>();
      for (const value of ["1", "1", "2", undefined, "1"]) {
        await store.set("a", value);
        if (value !== undefined) versions.add((await store.get(["a"])).get("a")?.version);
      }
      assert.equal(versions.size, 4);
      assert.equal((await store.get(["a"])).get("a")?.version, (await store.get([])).get("a")?.version);
    },
  },
  {
    title: "C5 a bad key is INVALID_ARGUMENT",
    run: async (fixture) => {
      const store = await fixture.open();
      for (const key of ["", "k".repeat(513)]) {
        await assert.rejects(store.set(key, "1"), (error) => isWeftError(error, "INVALID_ARGUMENT"));
      }
    },
  },
];

function values(items: ReadonlyMap<string, ConfigurationItem> = new Map()): Record<string, string> {
  return Object.fromEntries([...items].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, { value }]) => [key, value]));
}

/** A watch that is being read. */
function watching(store: ConfigurationStore, keys: readonly string[]) {
  const controller = new AbortController();
  const recorder = new Recorder<ConfigurationUpdate>(store.watch(keys, controller.signal));
  return {
    updates: recorder.values,
    newest: () => recorder.last,
    until: (ms: number, what: string, holds: (update: ConfigurationUpdate) => boolean) =>
      recorder.until(ms, what, holds),
    seen: (ms: number, expected: Record<string, string>) =>
      recorder.until(ms, JSON.stringify(expected), (update) => {
        return JSON.stringify(values(update.items)) === JSON.stringify(expected);
      }),
    [Symbol.asyncDispose]: async () => {
      controller.abort();
      await recorder.ended;
    },
  };
}
