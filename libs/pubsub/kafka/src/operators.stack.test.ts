import { setTimeout as delay } from "node:timers/promises";
import { type Log, Secret, silentLog } from "@weft/kit";
import { Recorder, within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import type { KeyedEvent } from "@weft/pubsub";
import { type Admin, Kafka, logLevel, type Producer } from "kafkajs";
import { expect, test } from "vitest";
import { brokerSettings, freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";
import { readSettings } from "./settings.ts";

function events(from: number, to: number, bytes = 1): KeyedEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const id = String(from + index);
    const attributes = { id, source: "/s", type: "T", time: 0, dataContentType: "text/plain", extensions: {} };
    return { key: "k", event: { ...attributes, data: new Uint8Array(bytes) } };
  });
}

describeBackend(
  "kafka",
  (server) => {
    async function open(log: Log = silentLog) {
      const url = new Secret(freshUrl(server().url));
      const stack = new AsyncDisposableStack();
      const pubsub = stack.use(await openKafkaPubSub({ url, log }));
      const name = `${readSettings(url).namespace}.t`;
      return { pubsub, name, stack };
    }

    /** Somebody else's client. */
    async function foreign(
      stack: AsyncDisposableStack,
    ): Promise<{ readonly admin: Admin; readonly producer: Producer }> {
      const kafka = new Kafka({ brokers: [`127.0.0.1:${server().port}`], logLevel: logLevel.NOTHING });
      const [admin, producer] = [kafka.admin(), kafka.producer()];
      await Promise.all([admin.connect(), producer.connect()]);
      stack.defer(async () => void (await Promise.all([admin.disconnect(), producer.disconnect()])));
      return { admin, producer };
    }

    test("records that are no events are passed over, and times before the epoch mean the beginning", async () => {
      const { pubsub, name, stack } = await open();
      await using _ = stack;
      await pubsub.ensureTopic("t", { partitions: 1 });
      await pubsub.publish("t", events(1, 1));
      const { producer } = await foreign(stack);
      await producer.send({
        topic: name,
        messages: [
          { key: "k", value: "?" },
          { key: null, value: null },
        ],
      });
      await pubsub.publish("t", events(2, 2));
      for (const from of [-1, -2, 0, "earliest"] as const) {
        const found = await Array.fromAsync(pubsub.read({ topic: "t", from }));
        expect(found.map(({ offset, event: { id } }) => [offset, id])).toEqual([
          [0n, "1"],
          [3n, "2"],
        ]);
      }
    });

    test("a reader goes on behind what is deleted while it reads", async () => {
      const { pubsub, name, stack } = await open();
      await using _ = stack;
      await pubsub.ensureTopic("t", { partitions: 1 });
      // More than one answer of a broker holds.
      await pubsub.publish("t", events(1, 3000, 1000));
      const { admin } = await foreign(stack);
      await admin.fetchTopicOffsets(name);
      const ids: number[] = [];
      for await (const { event } of pubsub.read({ topic: "t" })) {
        ids.push(Number(event.id));
        if (ids.length > 1) continue;
        await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: "2900" }] });
      }
      expect(ids[0]).toBe(1);
      expect(ids.at(-1)).toBe(3000);
      expect(ids.length).toBeLessThan(3000);
      expect(ids).toEqual(ids.toSorted((a, b) => a - b));
      const rest = await Array.fromAsync(pubsub.read({ topic: "t" }));
      expect(rest.map(({ event }) => Number(event.id))).toEqual(Array.from({ length: 100 }, (__, n) => 2901 + n));
    });

    test("a replay of many events leaves room for the retries of others", async () => {
      const { pubsub, stack } = await open();
      await using _ = stack;
      await pubsub.ensureTopic("t", { partitions: 1 });
      const count = 2000;
      const seen = new Map<string, number>();
      let failing = "";
      let retriedAt = 0;
      await pubsub.subscribe({
        group: "g",
        topics: ["t"],
        sessionTimeoutMs: 1000,
        failure: { immediateAttempts: 1, retryDelaysMs: [50] },
        handle: async ({ event: { id }, attempt }) => {
          if (id === failing && attempt === 1) throw new Error("no");
          if (id === failing) retriedAt = [...seen.values()].filter((times) => times > 1).length;
          // What is replayed takes its time.
          if (seen.has(id)) await delay(5);
          seen.set(id, (seen.get(id) ?? 0) + 1);
        },
      });
      await pubsub.publish("t", events(1, count));
      await within(20_000, "all", () => seen.size === count);
      expect(await pubsub.replay({ topic: "t", group: "g", from: "earliest" })).toBe(count);
      failing = String(count + 1);
      await pubsub.publish("t", events(count + 1, count + 1));
      await within(10_000, "the retry", () => seen.has(failing));
      expect(retriedAt).toBeLessThan(count);
      await within(60_000, "all again", () => [...seen.values()].filter((times) => times === 2).length === count);
    }, 120_000);

    test("an event that was given up is a line in the log, without what it carries", async () => {
      const lines: unknown[] = [];
      const warn: Log["warn"] = (fields, message) => void lines.push({ ...fields, message });
      const { pubsub, stack } = await open({ ...silentLog, warn });
      await using _ = stack;
      await pubsub.ensureTopic("t", { partitions: 1 });
      const failure = { immediateAttempts: 2, retryDelaysMs: [] };
      const handle = (): Promise<void> => Promise.reject(new Error("no such person as Ada"));
      await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, failure, handle });
      await pubsub.publish("t", events(1, 1));
      await within(10_000, "a dead letter", async () => {
        return (await pubsub.deadLetters({ topic: "t", group: "g" })).length === 1;
      });
      await within(5000, "the line", () => lines.length > 0);
      expect(lines).toEqual([
        {
          message: "an event was given up, and is among the dead letters",
          event: "1",
          type: "T",
          topic: "t",
          partition: 0,
          offset: "0",
          group: "g",
          attempts: 2,
          reason: "INTERNAL",
        },
      ]);
    });

    test("a reader that follows gets over a broker's death", async () => {
      const { pubsub, stack } = await open();
      await using _ = stack;
      await pubsub.publish("t", events(1, 3));
      const abort = new AbortController();
      const reader = new Recorder(pubsub.read({ topic: "t", follow: true }, abort.signal));
      await reader.until(10_000, "what was there", ({ event: { id } }) => id === "3");
      await server().kill();
      // Longer than one that does not follow would wait.
      await delay(12_000);
      await server().start();
      await within(20_000, "publishing", async () => {
        return pubsub.publish("t", events(4, 4)).then(
          () => true,
          () => false,
        );
      });
      await reader.until(20_000, "the next", ({ event: { id } }) => id === "4");
      expect([...new Set(reader.values.map(({ event: { id } }) => id))]).toEqual(["1", "2", "3", "4"]);
      abort.abort();
      await reader.ended;
    }, 180_000);
  },
  { settings: brokerSettings },
);
