import type { Operation } from "@weft/kit/testing";
import type { PubSub } from "../pubsub.ts";
import { event, sessionTimeoutMs } from "./tools.ts";

const topic = "fault";
const group = "g";

/** What a caller does with topics, for `describeFaults` of `@weft/kit/testing`. */
export const pubsubOperations: readonly Operation<PubSub>[] = [
  { title: "ensureTopic", writes: true, run: (pubsub) => pubsub.ensureTopic(topic, { partitions: 1 }) },
  { title: "publish", writes: true, run: (pubsub) => pubsub.publish(topic, [event("a", 1), event("b", 1)]) },
  {
    title: "subscribe and leave",
    writes: true,
    run: async (pubsub) => {
      const subscription = await pubsub.subscribe({ group, topics: [topic], sessionTimeoutMs, handle: async () => {} });
      await subscription[Symbol.asyncDispose]();
    },
  },
  { title: "deadLetters", writes: false, run: (pubsub) => pubsub.deadLetters({ topic, group }) },
  { title: "redrive", writes: false, run: (pubsub) => pubsub.redrive({ topic, group }) },
  { title: "lag", writes: false, run: (pubsub) => pubsub.lag(group) },
  { title: "parked", writes: false, run: (pubsub) => pubsub.parked(group) },
  { title: "topics", writes: false, run: (pubsub) => pubsub.topics() },
  {
    title: "read",
    writes: false,
    run: async (pubsub) => {
      for await (const { event: first } of pubsub.read({ topic })) if (first.id === "b-1") return;
    },
  },
  { title: "replay", writes: true, run: (pubsub) => pubsub.replay({ topic, group, from: "earliest" }) },
];
