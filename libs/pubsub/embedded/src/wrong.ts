import { describeMutants, type Mutant } from "@weft/kit/testing";
import type { PubSub, ReadOptions, StoredEvent, SubscribeOptions } from "@weft/pubsub";
import { type PubSubFixture, pubSubLaws } from "@weft/pubsub/conformance";
import { openFixture } from "./fixture.ts";

/** A deliberate mistake: what handles do instead of the right thing, and the law that must notice. */
export interface Fault extends Omit<Mutant<PubSubFixture>, "open"> {
  readonly wrap: (right: PubSub) => Partial<PubSub>;
}

/** A wrong way to subscribe. */
export function subscribing(change: (options: SubscribeOptions) => Partial<SubscribeOptions>): Fault["wrap"] {
  return (right) => ({ subscribe: (options) => right.subscribe({ ...options, ...change(options) }) });
}

/** A wrong way to read. */
export function reading(
  change: (events: AsyncIterable<StoredEvent>, options: ReadOptions) => AsyncIterable<StoredEvent>,
): Fault["wrap"] {
  return (right) => ({ read: (options, signal) => change(right.read(options, signal), options) });
}

/** Tests that the conformance suite notices each fault. */
export function describeFaultyPubSubs(name: string, faults: readonly Fault[]): void {
  describeMutants(
    name,
    pubSubLaws,
    faults.map(({ wrap, ...mutant }) => ({ ...mutant, open: () => wrongly(wrap) })),
  );
}

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
