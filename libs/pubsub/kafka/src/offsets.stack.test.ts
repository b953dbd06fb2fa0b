import { Secret, silentLog } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import type { Delivery, KeyedEvent } from "@weft/pubsub";
import { type Admin, Kafka, logLevel } from "kafkajs";
import { expect, test } from "vitest";
import { brokerSettings, freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";
import { readSettings } from "./settings.ts";

function events(from: number, to: number): KeyedEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const id = String(from + index);
    const attributes = { id, source: "/s", type: "T", time: 0, dataContentType: "text/plain", extensions: {} };
    return { key: "k", event: { ...attributes, data: new Uint8Array(1) } };
  });
}

describeBackend(
  "kafka",
  (server) => {
    async function open() {
      const url = new Secret(freshUrl(server().url));
      const { namespace } = readSettings(url);
      const stack = new AsyncDisposableStack();
      const errors: string[] = [];
      const log = { ...silentLog, error: (_fields: object, message: string) => void errors.push(message) };
      const pubsub = stack.use(await openKafkaPubSub({ url, log }));
      const admin: Admin = new Kafka({ brokers: [`127.0.0.1:${server().port}`], logLevel: logLevel.NOTHING }).admin();
      await admin.connect();
      stack.defer(() => admin.disconnect());
      await pubsub.ensureTopic("t", { partitions: 1 });
      await pubsub.ensureTopic("u", { partitions: 1 });
      const subscribe = (handle: (delivery: Delivery) => Promise<void>) =>
        pubsub.subscribe({ group: "g", topics: ["t", "u"], handle });
      return { pubsub, admin, subscribe, errors, name: `${namespace}.t`, groupId: `${namespace}.g`, stack };
    }

    test("an offset past the end, as a truncated log leaves it, begins anew, and is committed", async () => {
      const { pubsub, admin, subscribe, name, groupId, stack } = await open();
      await using _ = stack;
      await pubsub.publish("t", events(1, 5));
      await admin.setOffsets({ groupId, topic: name, partitions: [{ partition: 0, offset: "1000" }] });
      const got: string[] = [];
      await subscribe(async ({ event: { id } }) => void got.push(id));
      await within(10_000, "all", () => got.length === 5);
      await within(5000, "the commit", async () =>
        (await pubsub.lag("g")).some(({ topic, committed }) => topic === "t" && committed === 5n),
      );
    });

    test("what was deleted before it was fetched is told once, and holds up nobody while earlier events are handled", async () => {
      const { pubsub, admin, subscribe, errors, name, stack } = await open();
      await using _ = stack;
      // More than a subscriber keeps at once: what comes after is fetched when some was handled.
      await pubsub.publish("t", events(1, 2500));
      const gate = Promise.withResolvers<void>();
      const got: string[] = [];
      let slow = false;
      await subscribe(async ({ topic, event: { id } }) => {
        if (topic === "u") return void got.push(`u/${id}`);
        got.push(id);
        if (id === "1") await gate.promise;
        if (slow && Number(id) > 1900) await new Promise((resolve) => setTimeout(resolve, 20));
      });
      await within(10_000, "the first", () => got.includes("1"));
      await pubsub.publish("t", events(2501, 30_000));
      // Deleting needs to have heard of the topic.
      await admin.fetchTopicOffsets(name);
      await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset: "29990" }] });
      slow = true;
      gate.resolve();
      // From here on the lane asks for what is not there any more.
      await within(60_000, "an error", () => errors.length > 0);
      const handledThen = got.length;
      slow = false;
      await pubsub.publish("u", events(1, 1));
      await within(5000, "another topic", () => got.includes("u/1"));
      await within(20_000, "the rest", () => got.includes("30000"));
      expect(handledThen).toBeLessThan(2500);
      expect(got.slice(0, 3)).toEqual(["1", "2", "3"]);
      expect(errors).toEqual(["events were deleted before they were handled"]);
    });
  },
  { settings: brokerSettings },
);
