import { setTimeout as delay } from "node:timers/promises";
import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, events, keys, until } from "./tools.ts";

const topic = "told";
const group = "g";

/** P11: what stands in the log, delivered to a group again. */
export const replayLaws: readonly Law<PubSubFixture>[] = [
  {
    title: "P11 a replay delivers each event again, once and in order by key, to its group alone",
    async run(fixture) {
      const [pubsub, operator] = [await fixture.open(), await fixture.open()];
      await pubsub.ensureTopic(topic, { partitions: 4 });
      const { ids, deliveries } = await collect(pubsub, { group, topics: [topic] });
      const other = await collect(pubsub, { group: "other", topics: [topic] });
      const sent = keys.flatMap((key) => events(key, 1, 20));
      await pubsub.publish(topic, sent);
      await until("all events", () => ids().length + other.ids().length === 2 * sent.length, 5000);
      expect(await operator.replay({ topic, group, from: "earliest" })).toBe(sent.length);
      await until("all again", () => ids().length >= 2 * sent.length, 5000);
      // Time for deliveries that should not come.
      await delay(300);
      expect(ids()).toHaveLength(2 * sent.length);
      expect(other.ids()).toHaveLength(sent.length);
      for (const key of keys) {
        const [first, again] = [deliveries.slice(0, sent.length), deliveries.slice(sent.length)].map((part) =>
          part.filter((delivery) => delivery.key === key),
        );
        expect(again).toEqual(first);
        expect(again?.map((delivery) => delivery.event.id)).toEqual(events(key, 1, 20).map((e) => e.event.id));
      }
    },
  },
  {
    title: "P11 a replay goes by time, key and id",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic(topic, { partitions: 2 });
      const { ids } = await collect(pubsub, { group, topics: [topic] });
      const instants: number[] = [];
      for (const n of [1, 2, 3]) {
        instants.push(Date.now());
        await delay(20);
        await pubsub.publish(
          topic,
          keys.map((key) => event(key, n)),
        );
        await delay(20);
      }
      await until("all events", () => ids().length === 3 * keys.length);
      const [, from = 0, to = 0] = instants;
      const replayed = async (options: Omit<Parameters<typeof pubsub.replay>[0], "topic" | "group">) => {
        const before = ids().length;
        const count = await pubsub.replay({ topic, group, ...options });
        await until("the replayed ones", () => ids().length >= before + count);
        return ids().slice(before).sort();
      };
      const allOf = (n: number): string[] => keys.map((key) => `${key}-${n}`).sort();
      expect(await replayed({ from, to })).toEqual(allOf(2));
      expect(await replayed({ from: to })).toEqual(allOf(3));
      expect(await replayed({ from: "earliest", to: from })).toEqual(allOf(1));
      expect(await replayed({ from: "earliest", key: "key-5" })).toEqual(["key-5-1", "key-5-2", "key-5-3"]);
      expect(await replayed({ from: "earliest", eventId: "key-6-2" })).toEqual(["key-6-2"]);
      expect(await replayed({ from, key: "key-7", eventId: "key-7-1" })).toEqual([]);
      expect(await replayed({ from: "earliest" })).toHaveLength(3 * keys.length);
    },
  },
  {
    title: "P11 newer events are delivered while a replay goes on",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic(topic, { partitions: 2 });
      const goOn = Promise.withResolvers<void>();
      const seen = new Set<string>();
      const { ids } = await collect(pubsub, {
        group,
        topics: [topic],
        handle: async ({ event: { id } }) => {
          if (seen.has(id)) await goOn.promise;
          seen.add(id);
        },
      });
      await pubsub.publish(topic, [...events("a", 1, 50), ...events("b", 1, 50)]);
      await until("all events", () => ids().length === 100);
      expect(await pubsub.replay({ topic, group, from: "earliest" })).toBe(100);
      await pubsub.publish(topic, [...events("a", 51, 60), ...events("b", 51, 60)]);
      await until("the newer ones", () => ids().length === 120);
      expect(new Set(ids()).size).toBe(120);
      goOn.resolve();
      await until("all again", () => ids().length === 220, 5000);
    },
  },
  {
    title: "P11 a replay outlives whoever asked for it, and waits for a member to come",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      const { subscription, ids } = await collect(one, { group, topics: [topic] });
      await one.publish(topic, events("a", 1, 10));
      await until("all events", () => ids().length === 10);
      await subscription[Symbol.asyncDispose]();
      expect(await two.replay({ topic, group, from: "earliest" })).toBe(10);
      await fixture.kill(two);
      const again = await collect(one, { group, topics: [topic] });
      await until("all again", () => again.ids().length >= 10);
      expect(again.ids()).toEqual(events("a", 1, 10).map((e) => e.event.id));
    },
  },
  {
    title: "P11 what fails when it is replayed has its failure policy before it",
    async run(fixture) {
      const pubsub = await fixture.open();
      const attempts: number[] = [];
      let broken = false;
      const { ids } = await collect(pubsub, {
        group,
        topics: [topic],
        failure: { immediateAttempts: 1, retryDelaysMs: [50] },
        handle: async ({ event: { id }, attempt }) => {
          if (!broken || id !== "a-2") return;
          attempts.push(attempt);
          throw new Error("no");
        },
      });
      await pubsub.publish(topic, events("a", 1, 3));
      await until("all events", () => ids().length === 3);
      broken = true;
      expect(await pubsub.replay({ topic, group, from: "earliest" })).toBe(3);
      await until("the dead letter", async () => (await pubsub.deadLetters({ topic, group })).length === 1);
      expect(ids()).toEqual(["a-1", "a-2", "a-3", "a-1", "a-3"]);
      expect(attempts).toEqual([1, 2]);
      const [letter] = await pubsub.deadLetters({ topic, group });
      expect(letter?.delivery).toMatchObject({ topic, offset: 1n, event: { id: "a-2" } });
    },
  },
  {
    title: "P11 there is nothing to replay for a group that never read the topic",
    async run(fixture) {
      const pubsub = await fixture.open();
      await collect(pubsub, { group, topics: [topic] });
      await pubsub.publish(topic, [event("a", 1)]);
      await pubsub.publish("unread", [event("a", 1)]);
      const replay = (of: { topic: string; group: string; from?: number }) =>
        pubsub.replay({ from: "earliest", ...of });
      await expect(replay({ topic: "nothing", group })).rejects.toMatchObject({ reason: "NOT_FOUND" });
      await expect(replay({ topic, group: "nobody" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
      await expect(replay({ topic: "unread", group })).rejects.toMatchObject({ reason: "NOT_FOUND" });
      await expect(replay({ topic, group, from: 0.5 })).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
      const aborted = pubsub.replay({ topic, group, from: "earliest" }, AbortSignal.abort());
      await expect(aborted).rejects.toMatchObject({ reason: "CANCELLED" });
    },
  },
];
