import { setTimeout as delay } from "node:timers/promises";
import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, events, keys, until } from "./tools.ts";

/** P1, P2, P3, P7, P8, P9: what is delivered, to whom, in which order. */
export const deliveryLaws: readonly Law<PubSubFixture>[] = [
  {
    title: "P1 every group gets every event, whenever it was published and by whom",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      await one.ensureTopic("t", { partitions: 4 });
      await one.publish("t", [event("a", 1), event("b", 1)]);
      const first = await collect(two, { group: "g1", topics: ["t"] });
      const second = await collect(two, { group: "g2", topics: ["t"] });
      await two.publish("t", [event("a", 2), event("b", 2)]);
      for (const { ids } of [first, second]) {
        await until("all events", () => ids().length >= 4);
        expect(ids().sort()).toEqual(["a-1", "a-2", "b-1", "b-2"]);
      }
    },
  },
  {
    title: "P1 what was acknowledged to a publisher outlives it",
    async run(fixture) {
      const publisher = await fixture.open();
      await Promise.all(keys.map((key) => publisher.publish("t", events(key, 1, 5))));
      await fixture.kill(publisher);
      const { ids } = await collect(await fixture.open(), { group: "g", topics: ["t"] });
      await until("all events", () => new Set(ids()).size === keys.length * 5);
    },
  },
  {
    title: "P1 the same event published twice is delivered twice",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.publish("t", [event("a", 1)]);
      await pubsub.publish("t", [event("a", 1)]);
      const { deliveries } = await collect(pubsub, { group: "g", topics: ["t"] });
      await until("both", () => deliveries.length === 2);
      expect(deliveries[1]?.offset).toBeGreaterThan(deliveries[0]?.offset ?? 0n);
    },
  },
  {
    title: "P2 events of one key keep their order, and one partition is in one handler at a time",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic("t", { partitions: 4 });
      const busy = new Set<number>();
      let clash = false;
      const { deliveries } = await collect(pubsub, {
        group: "g",
        topics: ["t"],
        handle: async ({ partition }) => {
          clash ||= busy.has(partition);
          busy.add(partition);
          await delay(1);
          busy.delete(partition);
        },
      });
      for (let n = 1; n <= 10; n += 1) await Promise.all(keys.map((key) => pubsub.publish("t", [event(key, n)])));
      await until("all events", () => deliveries.length >= keys.length * 10, 5000);
      expect(clash).toBe(false);
      for (const key of keys) {
        const mine = deliveries.filter((delivery) => delivery.key === key);
        expect(mine.map((delivery) => delivery.event.id)).toEqual(events(key, 1, 10).map((e) => e.event.id));
        expect(new Set(mine.map((delivery) => delivery.partition)).size).toBe(1);
      }
    },
  },
  {
    title: "P3 a delivery in the hands of a member that dies is delivered to another",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      await one.ensureTopic("t", { partitions: 1 });
      await one.publish("t", events("a", 1, 3));
      let stuck = false;
      await collect(one, {
        group: "g",
        topics: ["t"],
        handle: ({ event: { id } }) => {
          if (id === "a-1") return Promise.resolve();
          stuck = true;
          return new Promise(() => {});
        },
      });
      await until("the second event", () => stuck);
      // Time to commit what should not be committed.
      await delay(200);
      await fixture.kill(one);
      const { ids } = await collect(two, { group: "g", topics: ["t"] });
      await until("the rest", () => ids().includes("a-2") && ids().includes("a-3"));
    },
  },
  {
    title: "P7 at most maxConcurrency handlers run, and the rest waits in the log",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic("t", { partitions: 8 });
      await pubsub.publish(
        "t",
        keys.flatMap((key) => events(key, 1, 20)),
      );
      let running = 0;
      let most = 0;
      const { deliveries } = await collect(pubsub, {
        group: "g",
        topics: ["t"],
        maxConcurrency: 3,
        handle: async () => {
          running += 1;
          most = Math.max(most, running);
          await delay(1);
          running -= 1;
        },
      });
      await until("all events", () => deliveries.length >= keys.length * 20, 10_000);
      expect(most).toBe(3);
    },
  },
  {
    title: "P8 a new group starts where it says, a known one where it committed",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.publish("t", [event("a", 1)]);
      const late = await collect(pubsub, { group: "late", topics: ["t"], start: "latest" });
      const early = await collect(pubsub, { group: "early", topics: ["t"] });
      await pubsub.publish("t", [event("a", 2)]);
      await until("both", () => late.ids().length > 0 && early.ids().length > 1);
      expect(late.ids()).toEqual(["a-2"]);
      expect(early.ids()).toEqual(["a-1", "a-2"]);
      await early.subscription[Symbol.asyncDispose]();
      await late.subscription[Symbol.asyncDispose]();
      await pubsub.publish("t", [event("a", 3)]);
      const again = await collect(pubsub, { group: "early", topics: ["t"], start: "latest" });
      const still = await collect(await fixture.open(), { group: "late", topics: ["t"] });
      await until("the third", () => again.ids().length > 0 && still.ids().length > 0);
      expect([again.ids(), still.ids()]).toEqual([["a-3"], ["a-3"]]);
    },
  },
  {
    title: "P8 lag is what lies between the committed offset and the end",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic("t", { partitions: 1 });
      const { subscription, deliveries } = await collect(pubsub, { group: "g", topics: ["t"] });
      const behind = async (): Promise<bigint> => {
        const lags = await pubsub.lag("g");
        expect(lags).toHaveLength(1);
        return (lags[0]?.end ?? 0n) - (lags[0]?.committed ?? 0n);
      };
      await pubsub.publish("t", events("a", 1, 5));
      await until("all events", () => deliveries.length === 5);
      await subscription[Symbol.asyncDispose]();
      expect(await behind()).toBe(0n);
      await pubsub.publish("t", events("a", 6, 8));
      expect(await behind()).toBe(3n);
      expect(await pubsub.lag("nobody")).toEqual([]);
    },
  },
  {
    title: "P9 key, data and attributes arrive as they were sent",
    async run(fixture) {
      const pubsub = await fixture.open();
      const full = event("ключ 鍵 🔑", 1, {
        id: "id with \"quotes\" and 'ünïcode'",
        source: "/weft/user?x=1",
        data: Uint8Array.from({ length: 256 }, (_, index) => index),
        dataContentType: "application/protobuf",
        extensions: { aggregateversion: "7", traceparent: "00-ab-cd-01", empty: "" },
      });
      const { subject: _, ...bare } = event("", 2, { data: new Uint8Array(0), extensions: {} }).event;
      await pubsub.publish("t", [full]);
      await pubsub.publish("t", [{ key: "", event: bare }]);
      const { deliveries } = await collect(pubsub, { group: "g", topics: ["t"] });
      await until("both", () => deliveries.length === 2);
      for (const sent of [full, { key: "", event: bare }]) {
        const got = deliveries.find((delivery) => delivery.key === sent.key);
        expect(got?.topic).toBe("t");
        expect(got?.attempt).toBe(1);
        expect({ ...got?.event, data: [...(got?.event.data ?? [])] }).toEqual({
          ...sent.event,
          data: [...sent.event.data],
        });
      }
    },
  },
  {
    title: "P9 what can't be carried is refused as a whole",
    async run(fixture) {
      const pubsub = await fixture.open();
      const large = event("a", 2, { data: new Uint8Array(1_000_001) });
      await expect(pubsub.publish("t", [event("a", 1), large])).rejects.toMatchObject({ reason: "PAYLOAD_TOO_LARGE" });
      for (const bad of [
        event("a", 1, { id: "" }),
        event("k".repeat(1025), 1),
        event("a", 1, { extensions: { UP: "" } }),
      ]) {
        await expect(pubsub.publish("t", [bad])).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
      }
      await expect(pubsub.publish("no topic", [])).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
      await pubsub.publish("t", [event("b", 1)]);
      const { ids } = await collect(pubsub, { group: "g", topics: ["t"] });
      await until("the good one", () => ids().length > 0);
      expect(ids()).toEqual(["b-1"]);
    },
  },
];
