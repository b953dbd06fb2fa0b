import { within } from "@weft/kit/testing";
import type { CloudEvent } from "../cloud-event.ts";
import type { Delivery, KeyedEvent, PubSub, SubscribeOptions, Subscription } from "../pubsub.ts";

/** The shortest session that a port must take: laws about deaths should not take long. */
export const sessionTimeoutMs = 1000;

/** An event with the number `n` in its data. */
export function event(key: string, n: number, more: Partial<CloudEvent> = {}): KeyedEvent {
  return {
    key,
    event: {
      id: `${key}-${n}`,
      source: "/test",
      type: "test.Happened",
      subject: key,
      time: 1_700_000_000_000 + n,
      dataContentType: "text/plain",
      data: Buffer.from(String(n)),
      extensions: { aggregateversion: String(n) },
      ...more,
    },
  };
}

/** Events `from` to `to` (inclusive) of one key. */
export function events(key: string, from: number, to: number): KeyedEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => event(key, from + index));
}

/** Keys of a topic with so many partitions that several are hit. */
export const keys: readonly string[] = Array.from({ length: 24 }, (_, index) => `key-${index}`);

export interface Collector {
  readonly subscription: Subscription;
  readonly deliveries: Delivery[];
  /** Ids of the events, in the order of delivery. */
  ids(): string[];
}

/** Subscribes, and keeps what is delivered and acknowledged. */
export async function collect(
  pubsub: PubSub,
  options: Omit<SubscribeOptions, "handle"> & { readonly handle?: SubscribeOptions["handle"] },
): Promise<Collector> {
  const deliveries: Delivery[] = [];
  const subscription = await pubsub.subscribe({
    sessionTimeoutMs,
    ...options,
    handle: async (delivery, signal) => {
      await options.handle?.(delivery, signal);
      deliveries.push(delivery);
    },
  });
  return { subscription, deliveries, ids: () => deliveries.map((delivery) => delivery.event.id) };
}

/** Waits for something to become true, for 3 s unless told otherwise. */
export function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 3000): Promise<void> {
  return within(withinMs, what, holds);
}
