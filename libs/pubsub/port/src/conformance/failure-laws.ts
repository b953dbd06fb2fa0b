import { setTimeout as delay } from "node:timers/promises";
import { WeftError } from "@weft/kit";
import { Stopwatch } from "@weft/kit/testing";
import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { DeadLetter, PubSub } from "../pubsub.ts";
import type { PubSubFixture } from "./fixture.ts";
import { collect, event, events, until } from "./tools.ts";

const topic = "failing";
const failure = { immediateAttempts: 2, retryDelaysMs: [50, 100] };

async function deadLetters(pubsub: PubSub, count: number): Promise<readonly DeadLetter[]> {
  let found: readonly DeadLetter[] = [];
  const enough = async (): Promise<boolean> => {
    found = await pubsub.deadLetters({ topic, group: "g" });
    return found.length >= count;
  };
  // The first one makes a topic, and the time limits of handlers pass before.
  await until(`${count} dead letters`, enough, 10_000);
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
      const times: number[] = [];
      const { ids } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        failure,
        handle: async (delivery) => {
          if (delivery.event.id !== "a-1") return;
          attempts.push(delivery.attempt);
          times.push(Date.now());
          throw new WeftError("FAILED_PRECONDITION", "poison");
        },
      });
      const poison = event("a", 1, { extensions: { aggregateversion: "1", traceparent: "00-ab-cd-01" } });
      await pubsub.publish(topic, [event("first", 1), poison, ...events("a", 2, 4)]);
      await until("the others", () => ids().length === 4);
      expect(ids()).toEqual(["first-1", "a-2", "a-3", "a-4"]);
      const [letter, ...more] = await deadLetters(pubsub, 1);
      expect(more).toEqual([]);
      expect(letter).toMatchObject({ group: "g", reason: "FAILED_PRECONDITION", detail: "poison" });
      expect(letter?.delivery).toMatchObject({ topic, partition: 0, offset: 1n, key: "a", attempt: 4 });
      expect(letter?.time).toBeGreaterThan(Date.now() - 60_000);
      const { data, ...attributes } = letter?.delivery.event ?? event("", 0).event;
      const { data: sent, ...expected } = poison.event;
      expect(attributes).toEqual(expected);
      expect([...data]).toEqual([...sent]);
      expect(attempts).toEqual([1, 2, 3, 4]);
      const waits = times.map((time, index) => time - (times[index - 1] ?? 0)).slice(2);
      for (const [index, ms] of failure.retryDelaysMs.entries()) expect(waits[index]).toBeGreaterThanOrEqual(ms);
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
    title: "P5 a retryable failure of what is tried again uses up no attempt either",
    async run(fixture) {
      const pubsub = await fixture.open();
      const attempts: number[] = [];
      let down = true;
      const { ids } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        failure: { immediateAttempts: 1, retryDelaysMs: [20] },
        handle: async ({ attempt }) => {
          attempts.push(attempt);
          if (attempt === 1) throw new Error("no");
          if (down) throw new WeftError("UNAVAILABLE", "down");
        },
      });
      await pubsub.publish(topic, [event("a", 1)]);
      await until("a few tries", () => attempts.length >= 4);
      down = false;
      await until("the delivery", () => ids().length === 1);
      expect(new Set(attempts.slice(1))).toEqual(new Set([2]));
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
      using passed = new Stopwatch();
      await subscription[Symbol.asyncDispose]();
      expect(passed.ms).toBeLessThan(1000);
    },
  },
  {
    title: "P5 a handler that never ends holds up its partition for its time limit, and is a failure like others",
    async run(fixture) {
      const pubsub = await fixture.open();
      await pubsub.ensureTopic(topic, { partitions: 1 });
      const aborted: boolean[] = [];
      const { ids } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        failure: { immediateAttempts: 5, retryDelaysMs: [50] },
        handleTimeoutMs: 200,
        handle: async ({ event: { id } }, signal) => {
          if (id === "deaf-1") await new Promise(() => {});
          if (id !== "stuck-1") return;
          await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
          aborted.push(signal.aborted);
          throw new WeftError("UNAVAILABLE", "gave up");
        },
      });
      await pubsub.publish(topic, [event("stuck", 1), event("deaf", 1), event("stuck", 2), event("other", 1)]);
      await until("the others", () => ids().length === 2, 5000);
      expect(ids()).toEqual(["stuck-2", "other-1"]);
      const letters = await deadLetters(pubsub, 2);
      const found = letters.map(({ reason, delivery }) => [delivery.event.id, delivery.attempt, reason]);
      expect(found.toSorted()).toEqual([
        ["deaf-1", 2, "DEADLINE_EXCEEDED"],
        ["stuck-1", 2, "DEADLINE_EXCEEDED"],
      ]);
      expect(aborted).toEqual([true, true]);
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
  {
    title: "P6 dead letters are listed and redriven by key and by reason",
    async run(fixture) {
      const pubsub = await fixture.open();
      let broken = true;
      const { ids } = await collect(pubsub, {
        group: "g",
        topics: [topic],
        failure: { immediateAttempts: 1, retryDelaysMs: [] },
        handle: async ({ key, event: { id } }) => {
          if (broken) throw new WeftError(id === "a-2" ? "DATA_LOSS" : "INTERNAL", `no ${key}`);
        },
      });
      await pubsub.publish(topic, [...events("a", 1, 3), ...events("b", 1, 3)]);
      await deadLetters(pubsub, 6);
      const list = async (filter: { key?: string; reason?: string; limit?: number }): Promise<string[]> =>
        (await pubsub.deadLetters({ topic, group: "g", ...filter })).map(({ delivery }) => delivery.event.id);
      expect(await list({ key: "a" })).toEqual(["a-3", "a-2", "a-1"]);
      expect(await list({ key: "a", limit: 2 })).toEqual(["a-3", "a-2"]);
      expect(await list({ reason: "DATA_LOSS" })).toEqual(["a-2"]);
      expect(await list({ reason: "INTERNAL", key: "a", limit: 1 })).toEqual(["a-3"]);
      expect(await list({ key: "nobody" })).toEqual([]);
      await expect(list({ limit: 0 })).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
      broken = false;
      const redrive = (filter: { key?: string; reason?: string; eventId?: string }): Promise<number> =>
        pubsub.redrive({ topic, group: "g", ...filter });
      expect(await redrive({ reason: "DATA_LOSS", key: "b" })).toBe(0);
      expect(await redrive({ eventId: "b-1", key: "a" })).toBe(0);
      expect(await redrive({ reason: "DATA_LOSS" })).toBe(1);
      await until("the one", () => ids().length === 1);
      expect(await redrive({ key: "b", reason: "INTERNAL" })).toBe(3);
      await until("those of the key", () => ids().length === 4);
      expect(ids()).toEqual(["a-2", "b-1", "b-2", "b-3"]);
      expect(await list({})).toEqual(["a-3", "a-1"]);
    },
  },
];
