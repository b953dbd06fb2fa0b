import { setTimeout as delay } from "node:timers/promises";
import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, keys, sessionTimeoutMs, until } from "./tools.ts";

const topic = "shared";
/** For publishing and handling, on a machine that has other things to do. */
const slackMs = 500;

/** P4: how members share a group's partitions. */
export const groupLaws: readonly Law<PubSubFixture>[] = [
  {
    title: "P4 members of a group share the partitions, and each event is handled once while they live",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      await one.ensureTopic(topic, { partitions: 8 });
      const first = await collect(one, { group: "g", topics: [topic] });
      const second = await collect(two, { group: "g", topics: [topic] });
      let n = 0;
      await until("both get some", async () => {
        n += 1;
        await one.publish(
          topic,
          keys.map((key) => event(key, n)),
        );
        await until("the round", () => first.deliveries.length + second.deliveries.length >= n * keys.length);
        return second.deliveries.length > 0 && first.deliveries.length > 0;
      });
      // Time for deliveries that should not come.
      await delay(200);
      const all = [...first.ids(), ...second.ids()];
      expect(all).toHaveLength(n * keys.length);
      expect(new Set(all).size).toBe(all.length);
    },
  },
  {
    title: "P4 a member that leaves hands its partitions over, acknowledged events excepted",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      await one.ensureTopic(topic, { partitions: 4 });
      const first = await collect(one, { group: "g", topics: [topic] });
      const second = await collect(two, { group: "g", topics: [topic] });
      await one.publish(
        topic,
        keys.map((key) => event(key, 1)),
      );
      await until("the first round", () => first.ids().length + second.ids().length >= keys.length);
      await first.subscription[Symbol.asyncDispose]();
      await first.subscription.ended;
      const before = first.ids().length;
      await two.publish(
        topic,
        keys.map((key) => event(key, 2)),
      );
      await until("the second round", () => second.ids().filter((id) => id.endsWith("-2")).length >= keys.length);
      expect(first.ids()).toHaveLength(before);
      expect(new Set([...first.ids(), ...second.ids()]).size).toBe(first.ids().length + second.ids().length);
    },
  },
  {
    title: "P4 the partitions of a dead member go to the others within a session timeout and a second",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      await one.ensureTopic(topic, { partitions: 4 });
      const first = await collect(one, { group: "g", topics: [topic] });
      const second = await collect(two, { group: "g", topics: [topic] });
      let n = 0;
      await until("both get some", async () => {
        n += 1;
        await two.publish(
          topic,
          keys.map((key) => event(key, n)),
        );
        await until("the round", () => new Set([...first.ids(), ...second.ids()]).size >= n * keys.length);
        return second.ids().length > 0 && first.ids().length > 0;
      });
      await fixture.kill(one);
      await two.publish(
        topic,
        keys.map((key) => event(key, 1000)),
      );
      const done = (): boolean => second.ids().filter((id) => id.endsWith("-1000")).length >= keys.length;
      await until("takeover", done, sessionTimeoutMs + 1000 + slackMs);
    },
  },
  {
    title: "P4 a subscription ends by dispose, after the delivery in hand, and dispose may be repeated",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic(topic, { partitions: 1 });
      const inHand = Promise.withResolvers<void>();
      const goOn = Promise.withResolvers<void>();
      const first = await collect(pubsub, {
        group: "g",
        topics: [topic],
        handle: async () => {
          inHand.resolve();
          await goOn.promise;
        },
      });
      await pubsub.publish(topic, [event("a", 1), event("a", 2)]);
      await inHand.promise;
      const gone = first.subscription[Symbol.asyncDispose]();
      goOn.resolve();
      await gone;
      await first.subscription[Symbol.asyncDispose]();
      await first.subscription.ended;
      expect(first.ids()).toEqual(["a-1"]);
      const second = await collect(pubsub, { group: "g", topics: [topic] });
      await until("the next", () => second.ids().length > 0);
      expect(second.ids()).toEqual(["a-2"]);
    },
  },
];
