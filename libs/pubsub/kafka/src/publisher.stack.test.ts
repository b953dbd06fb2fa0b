import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { Secret } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import type { Delivery, KeyedEvent, PubSub } from "@weft/pubsub";
import { Kafka, logLevel } from "kafkajs";
import { expect, test } from "vitest";
import { brokerSettings, freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";
import { readSettings } from "./settings.ts";

function event(id: string, data: Uint8Array = new Uint8Array(1), key = id): KeyedEvent {
  const attributes = { id, source: "/s", type: "T", time: 0, dataContentType: "text/plain", extensions: {} };
  return { key, event: { ...attributes, data } };
}

/** Everything that a new group gets. */
async function collect(pubsub: PubSub, topics: readonly string[]): Promise<readonly Delivery[]> {
  const got: Delivery[] = [];
  const handle = async (delivery: Delivery): Promise<void> => void got.push(delivery);
  await pubsub.subscribe({ group: "reader", topics, sessionTimeoutMs: 1000, handle });
  return got;
}

describeBackend(
  "kafka",
  (server) => {
    /** A topic as somebody else made it, and the URL of its namespace. */
    async function foreignTopic(plain: string, partitions: number, config: Record<string, string> = {}) {
      const url = new Secret(freshUrl(server().url));
      const { namespace } = readSettings(url);
      const admin = new Kafka({ brokers: [`127.0.0.1:${server().port}`], logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
      const topic = `${namespace}.${plain}`;
      await admin.createTopics({ topics: [{ topic, numPartitions: partitions, configEntries }], waitForLeaders: true });
      await admin.disconnect();
      return url;
    }

    test("a broker may be named by an IPv6 address", async () => {
      // The rest of the way is by the address that the broker gives of itself.
      const relay = createServer((socket) => socket.pipe(connect(server().port, "127.0.0.1")).pipe(socket));
      await using _ = { [Symbol.asyncDispose]: async () => void relay.close() };
      relay.listen(0, "::1");
      await once(relay, "listening");
      const address = relay.address();
      const port = typeof address === "object" ? address?.port : undefined;
      await using pubsub = await openKafkaPubSub({ url: new Secret(freshUrl(`kafka://[::1]:${port}`)) });
      await pubsub.publish("t", [event("1")]);
    });

    test("a call that is refused in part does not swallow the next one", async () => {
      const url = await foreignTopic("t", 2, { "max.message.bytes": "20000" });
      await using pubsub = await openKafkaPubSub({ url });
      // To both partitions: only those keys' partition takes nothing that has the large event in it.
      const large = Buffer.alloc(100_000);
      const keys = ["a", "b", "c", "d", "e", "f"];
      await pubsub.publish("t", [event("warm up", undefined, "a")]);
      for (const key of keys) {
        const mixed = [event(`${key}/1`, undefined, key), event("large", large, "b")];
        await pubsub.publish("t", mixed).catch((error: unknown) => {
          expect(error).toMatchObject({ reason: "PAYLOAD_TOO_LARGE" });
        });
        await pubsub.publish("t", [event(`${key}/2`, undefined, key)]);
      }
      const got = await collect(pubsub, ["t"]);
      const ids = (): string[] => got.map(({ event: { id } }) => id);
      await within(10_000, "what was accepted", () => keys.every((key) => ids().includes(`${key}/2`)));
    });

    test("a delivery waits for its next try in whatever partitions its retry topic has", async () => {
      const url = await foreignTopic("t.retry.g", 1);
      await using pubsub = await openKafkaPubSub({ url });
      let tries = 0;
      const handle = async (): Promise<void> => {
        tries += 1;
        if (tries < 3) throw new Error("no");
      };
      const failure = { immediateAttempts: 1, retryDelaysMs: [10, 20] };
      await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, failure, handle });
      await pubsub.publish("t", [event("1")]);
      await within(10_000, "the third try", () => tries === 3);
    });

    test("a record of the retry topic that nobody understands is not lost", async () => {
      const url = await foreignTopic("t.retry.g", 1);
      await using pubsub = await openKafkaPubSub({ url });
      const producer = new Kafka({ brokers: [`127.0.0.1:${server().port}`], logLevel: logLevel.NOTHING }).producer();
      await producer.connect();
      const topic = `${readSettings(url).namespace}.t.retry.g`;
      await producer.send({ topic, messages: [{ key: "k", value: "?" }] });
      await producer.disconnect();
      await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, handle: async () => {} });
      const letters = () => pubsub.deadLetters({ topic: "t", group: "g" });
      await within(10_000, "a dead letter", async () => (await letters()).length === 1);
      expect(await letters()).toMatchObject([{ reason: "DATA_LOSS", delivery: { key: "k", topic: "t" } }]);
    });

    test("compressed events and the largest that there are arrive as they were sent", async () => {
      const url = new Secret(`${freshUrl(server().url)}&compression=gzip`);
      await using pubsub = await openKafkaPubSub({ url });
      const sent = [...Array.from({ length: 50 }, (_, n) => event(`${n}`, Buffer.alloc(1000, n), "k"))];
      sent.push(event("largest", randomBytes(1_000_000), "k"));
      await pubsub.publish("t", sent);
      const got = await collect(pubsub, ["t"]);
      await within(10_000, "all", () => got.length === sent.length);
      for (const [index, { event: received }] of got.entries()) {
        expect(received.id).toBe(sent[index]?.event.id);
        expect(Buffer.compare(received.data, sent[index]?.event.data ?? Buffer.of())).toBe(0);
      }
    });

    test("the largest event goes through the dead letters and back", async () => {
      await using pubsub = await openKafkaPubSub({ url: new Secret(freshUrl(server().url)) });
      const data = randomBytes(1_000_000);
      const extensions = { note: "x".repeat(16_000), partitionkey: "mine" };
      const largest = { key: "k".repeat(1024), event: { ...event("largest", data).event, extensions } };
      const got: Delivery[] = [];
      let broken = true;
      const handle = async (delivery: Delivery): Promise<void> => {
        if (broken) throw new Error("no");
        got.push(delivery);
      };
      const failure = { immediateAttempts: 1, retryDelaysMs: [] };
      await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, failure, handle });
      await pubsub.publish("t", [largest, event("small")]);
      const letters = () => pubsub.deadLetters({ topic: "t", group: "g" });
      await within(10_000, "two dead letters", async () => (await letters()).length === 2);
      broken = false;
      expect(await pubsub.redrive({ topic: "t", group: "g" })).toBe(2);
      await within(10_000, "both", () => got.length === 2);
      const back = got.find(({ event: { id } }) => id === "largest");
      expect(back).toMatchObject({ key: largest.key, event: { extensions } });
      expect(Buffer.compare(back?.event.data ?? Buffer.of(), data)).toBe(0);
      expect(await letters()).toEqual([]);
    });
  },
  { settings: brokerSettings },
);
