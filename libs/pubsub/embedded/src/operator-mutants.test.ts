import { retryTopic } from "@weft/pubsub";
import { describeFaultyPubSubs, reading, subscribing } from "./wrong.ts";

describeFaultyPubSubs("pubsub conformance for operators notices", [
  {
    fault: "reads the first page of a partition alone",
    breaks: "P10",
    wrap: reading(async function* (events) {
      let count = 0;
      for await (const event of events) if ((count += 1) <= 1000) yield event;
    }),
  },
  {
    fault: "reads the newest first",
    breaks: "P10",
    wrap: reading(async function* (events, { follow }) {
      if (follow === true) yield* events;
      else yield* (await Array.fromAsync(events)).reverse();
    }),
  },
  {
    fault: "begins to read at the first event whatever it is told",
    breaks: "P10",
    wrap: (right) => ({ read: (options, signal) => right.read({ ...options, from: "earliest" }, signal) }),
  },
  {
    fault: "reads every key",
    breaks: "P10",
    wrap: (right) => ({ read: ({ key: _, ...options }, signal) => right.read(options, signal) }),
  },
  {
    fault: "does not follow",
    breaks: "P10",
    wrap: (right) => ({ read: ({ follow: _, ...options }, signal) => right.read(options, signal) }),
  },
  {
    fault: "makes the topic that it reads",
    breaks: "P10",
    wrap: (right) => ({
      read: async function* (options, signal) {
        await right.ensureTopic(options.topic);
        yield* right.read(options, signal);
      },
    }),
  },
  {
    fault: "reads with a group of its own",
    breaks: "P10",
    wrap: (right) => ({
      read: async function* (options, signal) {
        await using _ = await right.subscribe({ group: "reader", topics: [options.topic], handle: async () => {} });
        yield* right.read(options, signal);
      },
    }),
  },
  {
    fault: "replays by publishing again",
    breaks: "P11",
    wrap: (right) => ({
      replay: async (options) => {
        const events = await Array.fromAsync(right.read(options));
        await right.publish(options.topic, events);
        return events.length;
      },
    }),
  },
  {
    fault: "replays every event twice",
    breaks: "P11",
    wrap: (right) => ({
      replay: async (options, signal) => {
        await right.replay(options, signal);
        return right.replay(options, signal);
      },
    }),
  },
  {
    fault: "replays without regard to time",
    breaks: "P11",
    wrap: (right) => ({
      replay: ({ to: _, ...options }, signal) => right.replay({ ...options, from: "earliest" }, signal),
    }),
  },
  {
    fault: "replays every key and event",
    breaks: "P11",
    wrap: (right) => ({ replay: ({ key: _, eventId: __, ...options }, signal) => right.replay(options, signal) }),
  },
  {
    fault: "says that a replay is durable before it is",
    breaks: "P11",
    wrap: (right) => ({
      replay: async (options) => {
        const events = await Array.fromAsync(right.read(options));
        setTimeout(() => void right.replay(options).catch(() => {}), 20);
        return events.length;
      },
    }),
  },
  {
    fault: "lets newer events wait for those that are replayed",
    breaks: "P11",
    wrap: subscribing(() => ({ maxConcurrency: 1 })),
  },
  {
    fault: "replays for a group that it does not know",
    breaks: "P11",
    wrap: (right) => ({ replay: (options, signal) => right.replay(options, signal).catch(() => 0) }),
  },
  {
    fault: "lists the topics for failures",
    breaks: "P12",
    wrap: (right) => ({
      topics: async () =>
        (await right.topics()).flatMap((info) => [
          info,
          ...info.groups.map((group) => ({ ...info, topic: retryTopic(info.topic, group) })),
        ]),
    }),
  },
  {
    fault: "forgets groups without members",
    breaks: "P12",
    wrap: (right) => ({
      topics: async () =>
        (await right.topics()).map((info) => ({ ...info, groups: info.groups.filter((group) => group !== "first") })),
    }),
  },
  {
    fault: "counts what was given up as waiting",
    breaks: "P12",
    wrap: (right) => ({
      parked: async (group) =>
        (await right.parked(group)).map((topic) => ({ ...topic, waiting: topic.waiting + topic.dead })),
    }),
  },
]);
