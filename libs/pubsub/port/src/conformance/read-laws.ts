import { setTimeout as delay } from "node:timers/promises";
import { type Law, Recorder } from "@weft/kit/testing";
import { expect } from "vitest";
import type { PubSub, ReadOptions, StoredEvent } from "../pubsub.ts";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, events, keys, until } from "./tools.ts";

/** More of one partition than any adapter takes into memory at once. */
const many = 1500;

async function readAll(pubsub: PubSub, options: Omit<ReadOptions, "topic">): Promise<StoredEvent[]> {
  const found: StoredEvent[] = [];
  for await (const stored of pubsub.read({ topic: "t", ...options })) found.push(stored);
  return found;
}

function idsOf(stored: readonly StoredEvent[]): string[] {
  return stored.map(({ event: { id } }) => id);
}

/** A time that lies between what was published before and what is published after; in milliseconds since the epoch. */
async function nextInstant(): Promise<number> {
  await delay(20);
  const instant = Date.now();
  await delay(20);
  return instant;
}

/** P10: what stands in the log. */
export const readLaws: readonly Law<PubSubFixture>[] = [
  {
    title: "P10 a reader gets each event once as it was published, in order within a partition, and ends",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic("t", { partitions: 3 });
      const before = Date.now();
      const sent = [...keys.flatMap((key) => events(key, 1, 3)), ...events("long", 1, many)];
      await pubsub.publish("t", sent);
      const found = await readAll(await fixture.open(), {});
      expect(idsOf(found).sort()).toEqual(sent.map(({ event: { id } }) => id).sort());
      for (const partition of [0, 1, 2]) {
        const offsets = found.filter((stored) => stored.partition === partition).map(({ offset }) => offset);
        expect(offsets).toEqual(offsets.toSorted((a, b) => Number(a - b)));
      }
      expect(idsOf(found.filter(({ key }) => key === "long"))).toEqual(
        events("long", 1, many).map(({ event: { id } }) => id),
      );
      const { event: got, ...place } = found.find(({ event: { id } }) => id === "key-0-2") ?? expect.fail("not found");
      const { event: put } = event("key-0", 2);
      expect({ ...got, data: [...got.data] }).toEqual({ ...put, data: [...put.data] });
      expect(place).toMatchObject({ topic: "t", key: "key-0" });
      expect(place.publishTime).toBeGreaterThanOrEqual(before);
      expect(place.publishTime).toBeLessThanOrEqual(Date.now());
    },
  },
  {
    title: "P10 a reader begins where it is told to, and sees no other key than the one it asks for",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic("t", { partitions: 2 });
      await pubsub.publish(
        "t",
        keys.map((key) => event(key, 1)),
      );
      const instant = await nextInstant();
      await pubsub.publish(
        "t",
        keys.map((key) => event(key, 2)),
      );
      const late = idsOf(await readAll(pubsub, { from: instant }));
      expect(late.sort()).toEqual(keys.map((key) => `${key}-2`).sort());
      expect(idsOf(await readAll(pubsub, { from: 0 }))).toHaveLength(2 * keys.length);
      expect(idsOf(await readAll(pubsub, { from: Date.now() + 60_000 }))).toEqual([]);
      expect(idsOf(await readAll(pubsub, { from: "latest" }))).toEqual([]);
      expect(idsOf(await readAll(pubsub, { from: "earliest", key: "key-3" }))).toEqual(["key-3-1", "key-3-2"]);
      expect(idsOf(await readAll(pubsub, { from: instant, key: "key-4" }))).toEqual(["key-4-2"]);
      expect(idsOf(await readAll(pubsub, { key: "nobody" }))).toEqual([]);
    },
  },
  {
    title: "P10 a reader that follows gets what comes until its signal aborts",
    async run(fixture) {
      const [pubsub, other] = [await fixture.open(), await fixture.open()];
      await pubsub.publish("t", [event("a", 1)]);
      const abort = new AbortController();
      const options = { topic: "t", follow: true };
      const all = new Recorder(pubsub.read(options, abort.signal));
      const late = new Recorder(pubsub.read({ ...options, from: "latest" }, abort.signal));
      const one = new Recorder(pubsub.read({ ...options, key: "b" }, abort.signal));
      await all.until(5000, "what was there", ({ event: { id } }) => id === "a-1");
      // The other reader may begin later: only what comes then is its.
      let n = 1;
      await until(
        "both have something new",
        async () => {
          n += 1;
          await other.publish("t", [event("a", n), event("b", n)]);
          await delay(20);
          return late.values.length > 0 && one.values.length > 1;
        },
        5000,
      );
      await until("all that was published", () => all.values.length >= 2 * n - 1 && one.values.length >= n - 1);
      abort.abort();
      await Promise.all([all.ended, late.ended, one.ended]);
      expect(idsOf(all.values.filter(({ key }) => key === "a"))).toEqual(events("a", 1, n).map(({ event: e }) => e.id));
      expect(idsOf(late.values)).not.toContain("a-1");
      expect(idsOf(one.values)).toEqual(events("b", 2, n).map(({ event: e }) => e.id));
      await expect(readAll(pubsub, {})).resolves.toHaveLength(2 * n - 1);
    },
  },
  {
    title: "P10 reading takes nothing from anybody, and leaves no trace",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.publish("t", events("a", 1, 3));
      const { ids, subscription } = await collect(pubsub, { group: "g", topics: ["t"] });
      const abort = new AbortController();
      const follower = new Recorder(pubsub.read({ topic: "t", follow: true }, abort.signal));
      await follower.until(5000, "the third", ({ event: { id } }) => id === "a-3");
      await pubsub.publish("t", events("a", 4, 6));
      await until("all for the group", () => ids().length === 6);
      await follower.until(5000, "the last", ({ event: { id } }) => id === "a-6");
      for await (const { event: first } of pubsub.read({ topic: "t" })) {
        expect(first.id).toBe("a-1");
        break;
      }
      await subscription[Symbol.asyncDispose]();
      expect(ids()).toEqual(idsOf(follower.values));
      expect((await pubsub.topics()).map(({ groups }) => groups)).toEqual([["g"]]);
      abort.abort();
      await follower.ended;
    },
  },
  {
    title: "P10 there is nothing to read of a topic that is not there, and reading does not make it",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.publish("t", [event("a", 1)]);
      const read = (options: ReadOptions) => readAll(pubsub, options);
      await expect(read({ topic: "nothing" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
      await expect(read({ topic: "nothing", follow: true })).rejects.toMatchObject({ reason: "NOT_FOUND" });
      await expect(read({ topic: "no topic" })).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
      await expect(read({ topic: "t", from: Number.NaN })).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
      await expect(pubsub.topics()).resolves.toMatchObject([{ topic: "t" }]);
    },
  },
];
