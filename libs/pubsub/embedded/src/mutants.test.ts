import { once } from "node:events";
import { newUuid, WeftError } from "@weft/kit";
import { describeFaultyPubSubs, subscribing } from "./wrong.ts";

describeFaultyPubSubs("pubsub conformance notices", [
  {
    fault: "acknowledges a publish before it is written",
    breaks: "P1",
    wrap: (right) => ({
      publish: async (topic, events) => {
        setTimeout(() => void right.publish(topic, events).catch(() => {}), 20);
      },
    }),
  },
  {
    fault: "all groups are one",
    breaks: "P1",
    wrap: subscribing(() => ({ group: "one" })),
  },
  {
    fault: "drops events whose id it has seen",
    breaks: "P1",
    wrap: (right) => {
      const seen = new Set<string>();
      const isNew = (id: string): boolean => !seen.has(id) && seen.add(id).size > 0;
      return {
        publish: (topic, events) =>
          right.publish(
            topic,
            events.filter(({ event }) => isNew(event.id)),
          ),
      };
    },
  },
  {
    fault: "does not wait for the handler",
    breaks: "P2",
    wrap: subscribing(({ handle }) => ({
      handle: async (delivery, signal) => void handle(delivery, signal).catch(() => {}),
    })),
  },
  {
    fault: "acknowledges before the handler is done",
    breaks: "P3",
    wrap: subscribing(({ handle }) => ({
      handle: async (delivery, signal) => void handle(delivery, signal).catch(() => {}),
    })),
  },
  {
    fault: "ignores maxConcurrency",
    breaks: "P7",
    wrap: subscribing(() => ({ maxConcurrency: 16 })),
  },
  {
    fault: "every member is a group of its own",
    breaks: "P4",
    wrap: subscribing(({ group }) => ({ group: `${group}-${newUuid()}` })),
  },
  {
    fault: "takes partitions of a dead member far too late",
    breaks: "P4",
    wrap: subscribing(() => ({ sessionTimeoutMs: 60_000 })),
  },
  {
    fault: "begins at the first event whatever `start` says",
    breaks: "P8",
    wrap: subscribing(() => ({ start: "earliest" })),
  },
  {
    fault: "swallows failures",
    breaks: "P5",
    wrap: subscribing(({ handle }) => ({ handle: (delivery, signal) => handle(delivery, signal).catch(() => {}) })),
  },
  {
    fault: "counts each try as the first",
    breaks: "P5",
    wrap: subscribing(({ handle }) => ({ handle: (delivery, signal) => handle({ ...delivery, attempt: 1 }, signal) })),
  },
  {
    fault: "tries later at once",
    breaks: "P5",
    wrap: subscribing(({ failure }) => ({
      failure: { ...failure, retryDelaysMs: failure?.retryDelaysMs?.map(() => 0) ?? [] },
    })),
  },
  {
    fault: "takes every failure for a permanent one",
    breaks: "P5",
    wrap: subscribing(({ handle }) => ({
      handle: (delivery, signal) =>
        handle(delivery, signal).catch((cause: unknown) => {
          throw new WeftError("INTERNAL", "failed", { cause });
        }),
    })),
  },
  {
    fault: "redrives a copy",
    breaks: "P6",
    wrap: (right) => ({
      redrive: async (filter) => {
        const letters = await right.deadLetters(filter);
        await right.publish(
          filter.topic,
          letters.map((letter) => letter.delivery),
        );
        return letters.length;
      },
    }),
  },
  {
    fault: "loses extension attributes",
    breaks: "P9",
    wrap: (right) => ({
      publish: (topic, events) =>
        right.publish(
          topic,
          events.map(({ key, event }) => ({ key, event: { ...event, extensions: {} } })),
        ),
    }),
  },
  {
    fault: "lets a handler run for ever",
    breaks: "P5",
    wrap: subscribing(() => ({ handleTimeoutMs: 3_600_000 })),
  },
  {
    fault: "tries in place again what took too long",
    breaks: "P5",
    wrap: subscribing(({ handle }) => ({
      handleTimeoutMs: 3_600_000,
      handle: async (delivery, signal) => {
        const late = AbortSignal.timeout(200);
        const tooLong = once(late, "abort").then(() => Promise.reject(new WeftError("INTERNAL", "too long")));
        await Promise.race([handle(delivery, AbortSignal.any([signal, late])), tooLong]);
      },
    })),
  },
  {
    fault: "redrives whatever the filter says",
    breaks: "P6",
    wrap: (right) => ({ redrive: ({ topic, group }) => right.redrive({ topic, group }) }),
  },
  {
    fault: "filters dead letters after it counted them",
    breaks: "P6",
    wrap: (right) => ({
      deadLetters: async ({ key, reason, ...all }) =>
        (await right.deadLetters(all)).filter(
          (letter) =>
            letter.delivery.key === (key ?? letter.delivery.key) && letter.reason === (reason ?? letter.reason),
        ),
    }),
  },
]);
