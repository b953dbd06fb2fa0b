import { newUuid, WeftError } from "@weft/kit";
import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { PubSub, SubscribeOptions } from "@weft/pubsub";
import { type PubSubFixture, pubSubLaws } from "@weft/pubsub/conformance";
import { openFixture } from "./fixture.ts";

interface Fault extends Omit<Mutant<PubSubFixture>, "open"> {
  readonly wrap: (right: PubSub) => Partial<PubSub>;
}

/** A wrong way to subscribe. */
function subscribing(change: (options: SubscribeOptions) => Partial<SubscribeOptions>): Fault["wrap"] {
  return (right) => ({ subscribe: (options) => right.subscribe({ ...options, ...change(options) }) });
}

const mutants: readonly Fault[] = [
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
];

/** A fixture whose handles are wrong in the way that `wrap` says. */
async function wrongly(wrap: Fault["wrap"]): Promise<PubSubFixture> {
  const right = await openFixture();
  const originals = new Map<PubSub, PubSub>();
  return {
    async open() {
      const original = await right.open();
      const wrapping = wrap(original);
      const wrapped = new Proxy(original, {
        get(target, name) {
          const own: unknown = Reflect.get(wrapping, name) ?? Reflect.get(target, name, target);
          return typeof own === "function" ? own.bind(target) : own;
        },
      });
      originals.set(wrapped, original);
      return wrapped;
    },
    kill: (pubsub) => right.kill(originals.get(pubsub) ?? pubsub),
    [Symbol.asyncDispose]: () => right[Symbol.asyncDispose](),
  };
}

describeMutants(
  "pubsub conformance notices",
  pubSubLaws,
  mutants.map(({ wrap, ...mutant }) => ({ ...mutant, open: () => wrongly(wrap) })),
);
