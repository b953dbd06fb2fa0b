import { setTimeout as delay } from "node:timers/promises";
import { WeftError } from "@weft/kit";
import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { DeadLetter, PubSub } from "../pubsub.ts";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, events, until } from "./tools.ts";

const topic = "failing";
const failure = { immediateAttempts: 2, retryDelaysMs: [50, 100] };

async function deadLetters(pubsub: PubSub, count: number): Promise<readonly DeadLetter[]> {
  let found: readonly DeadLetter[] = [];
  await until(`${count} dead letters`, async () => {
    found = await pubsub.deadLetters({ topic, group: "g" });
    return found.length >= count;
  });
  return found;
}

/** P5, P6: what becomes of a delivery whose handler fails. */
export const failureLaws: readonly Law<PubSubFixture>[] = [
  {
    title: "P5 a poison message is tried in place, then later, then given up with the reason, and holds up nobody",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic(topic, { partitions: 1 });
      const attempts: number[] = [];
      const { ids } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        failure,
        handle: async (delivery) => {
          if (delivery.event.id !== "a-1") return;
          attempts.push(delivery.attempt);
          throw new WeftError("FAILED_PRECONDITION", "poison");
        },
      });
      await pubsub.publish(topic, events("a", 1, 4));
      await until("the others", () => ids().length === 3);
      expect(ids()).toEqual(["a-2", "a-3", "a-4"]);
      const [letter, ...more] = await deadLetters(pubsub, 1);
      expect(more).toEqual([]);
      expect(letter).toMatchObject({ group: "g", reason: "FAILED_PRECONDITION", detail: "poison" });
      expect(letter?.delivery).toMatchObject({ topic, partition: 0, key: "a" });
      const { data, ...attributes } = letter?.delivery.event ?? event("", 0).event;
      const { data: sent, ...expected } = event("a", 1).event;
      expect(attributes).toEqual(expected);
      expect([...data]).toEqual([...sent]);
      expect(attempts).toEqual([1, 2, 3, 4]);
      expect(await pubsub.deadLetters({ topic, group: "other" })).toEqual([]);
    },
  },
  {
    title: "P5 one that fails for a while is handled in the end, and is no dead letter",
    async run(fixture) {
      const pubsub = await fixture.open();
      let tries = 0;
      const { deliveries } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        failure,
        handle: async () => {
          tries += 1;
          if (tries < 4) throw new Error("not yet");
        },
      });
      await pubsub.publish(topic, [event("a", 1)]);
      await until("the delivery", () => deliveries.length > 0);
      expect(deliveries[0]).toMatchObject({ attempt: 4, topic, key: "a" });
      expect(deliveries[0]?.event.extensions).toEqual({ aggregateversion: "1" });
      await delay(200);
      expect(deliveries).toHaveLength(1);
      expect(await pubsub.deadLetters({ topic, group: "g" })).toEqual([]);
    },
  },
  {
    title: "P5 a retryable failure pauses its partition: order stays, no attempt is used up",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic(topic, { partitions: 1 });
      let down = true;
      let tries = 0;
      const { ids } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        failure: { immediateAttempts: 1, retryDelaysMs: [] },
        handle: async () => {
          tries += 1;
          if (down) throw new WeftError("UNAVAILABLE", "down");
        },
      });
      await pubsub.publish(topic, events("a", 1, 3));
      await until("a few tries", () => tries >= 3);
      expect(ids()).toEqual([]);
      down = false;
      await until("all events", () => ids().length === 3);
      expect(ids()).toEqual(["a-1", "a-2", "a-3"]);
      expect(await pubsub.deadLetters({ topic, group: "g" })).toEqual([]);
    },
  },
  {
    title: "P5 a paused subscription can be left at once",
    async run(fixture) {
      const pubsub = await fixture.open();
      let tries = 0;
      const { subscription } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        handle: async () => {
          tries += 1;
          throw new WeftError("UNAVAILABLE", "down", { retryAfterMs: 5000 });
        },
      });
      await pubsub.publish(topic, [event("a", 1)]);
      await until("a try", () => tries > 0);
      const start = performance.now();
      await subscription[Symbol.asyncDispose]();
      expect(performance.now() - start).toBeLessThan(1000);
    },
  },
  {
    title: "P5 what waits to be retried outlives the member that failed",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      let failed = false;
      await collect(one, {
        group: "g",
        topics: [topic],
        failure: { immediateAttempts: 1, retryDelaysMs: [300] },
        handle: async () => {
          failed = true;
          throw new Error("no");
        },
      });
      await one.publish(topic, [event("a", 1)]);
      await until("a failure", () => failed);
      await delay(100);
      await fixture.kill(one);
      const { ids } = await collect(two, { group: "g", topics: [topic] });
      await until("the retry", () => ids().includes("a-1"));
    },
  },
  {
    title: "P6 redrive delivers dead letters to their group again, and takes them out",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      let broken = true;
      const { ids, deliveries } = await collect(one, {
        group: "g",
        topics: [topic],
        failure: { immediateAttempts: 1, retryDelaysMs: [] },
        handle: async () => {
          if (broken) throw new Error("no");
        },
      });
      const other = await collect(two, { group: "other", topics: [topic] });
      await one.publish(topic, events("a", 1, 3));
      const letters = await deadLetters(two, 3);
      expect(letters.map((letter) => letter.delivery.event.id)).toEqual(["a-3", "a-2", "a-1"]);
      expect(await two.deadLetters({ topic, group: "g", limit: 2 })).toHaveLength(2);
      broken = false;
      expect(await two.redrive({ topic, group: "g", eventId: "a-2" })).toBe(1);
      await until("the one", () => ids().length === 1);
      expect(deliveries[0]).toMatchObject({ attempt: 1, topic, event: { id: "a-2" } });
      expect(await two.redrive({ topic, group: "g", eventId: "a-2" })).toBe(0);
      expect(await two.redrive({ topic, group: "g" })).toBe(2);
      await until("the others", () => ids().length === 3);
      expect(await two.deadLetters({ topic, group: "g" })).toEqual([]);
      expect(other.ids()).toEqual(["a-1", "a-2", "a-3"]);
    },
  },
];
