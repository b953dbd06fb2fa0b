import { setTimeout as delay } from "node:timers/promises";
import { Secret } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import type { Delivery, KeyedEvent, PubSub, SubscribeOptions } from "@weft/pubsub";
import { expect, test } from "vitest";
import { brokerSettings, freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";

const sessionTimeoutMs = 1000;
function event(n: number): KeyedEvent {
  return {
    key: "k",
    event: {
      id: String(n),
      source: "/s",
      type: "T",
      time: n,
      dataContentType: "text/plain",
      data: new Uint8Array(1),
      extensions: {},
    },
  };
}

describeBackend(
  "kafka",
  (server) => {
    const open = (url: Secret): Promise<PubSub> => openKafkaPubSub({ url });
    const join = (pubsub: PubSub, handle: SubscribeOptions["handle"]) =>
      pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs, handle });

    test("a handler may take longer than a session", async () => {
      await using pubsub = await open(new Secret(freshUrl(server().url)));
      await pubsub.ensureTopic("t", { partitions: 1 });
      const begun: string[] = [];
      const handle = async ({ event: { id } }: Delivery): Promise<void> => {
        begun.push(id);
        if (id === "1") await delay(3 * sessionTimeoutMs);
      };
      await join(pubsub, handle);
      await join(pubsub, handle);
      await pubsub.publish("t", [event(1), event(2)]);
      await within(10_000, "both", () => begun.length >= 2);
      await delay(200);
      expect(begun).toEqual(["1", "2"]);
    });

    test("who joins gets nothing that another has in hand, and what comes after it comes after it", async () => {
      await using pubsub = await open(new Secret(freshUrl(server().url)));
      await pubsub.ensureTopic("t", { partitions: 1 });
      const done: string[] = [];
      const handle = async ({ event: { id } }: Delivery): Promise<void> => {
        await delay(id === "1" ? 700 : 0);
        done.push(id);
      };
      await join(pubsub, handle);
      await pubsub.publish("t", [event(1), event(2), event(3)]);
      await delay(100);
      await join(pubsub, handle);
      await join(pubsub, handle);
      await within(10_000, "all", () => done.length >= 3);
      await delay(200);
      expect(done).toEqual(["1", "2", "3"]);
    });

    test("the signal tells a handler that the group waits no longer for it", async () => {
      await using pubsub = await open(new Secret(freshUrl(server().url)));
      await pubsub.ensureTopic("t", { partitions: 1 });
      const aborted = Promise.withResolvers<void>();
      let tries = 0;
      const handle = async (_: Delivery, signal: AbortSignal): Promise<void> => {
        tries += 1;
        if (tries > 1) return;
        await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
        aborted.resolve();
        throw new Error("given up");
      };
      await join(pubsub, handle);
      await pubsub.publish("t", [event(1)]);
      await within(5000, "the first try", () => tries === 1);
      await join(pubsub, handle);
      await aborted.promise;
      await within(5000, "another try", () => tries === 2);
      expect(await pubsub.deadLetters({ topic: "t", group: "g" })).toEqual([]);
    });
  },
  { settings: brokerSettings },
);
