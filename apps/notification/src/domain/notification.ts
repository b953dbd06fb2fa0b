import type { Channel, OuterChannel, Preferences } from "./preferences.ts";

export type DeliveryState = "pending" | "delivered" | "failed" | "suppressed";

/** What became of a notification on one channel. */
export interface Delivery {
  readonly channel: Channel;
  readonly state: DeliveryState;
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** Why it failed, was held back or not sent; for the person, so it says nothing about our machines. */
  readonly reason: string;
}

export interface Notification {
  readonly id: string;
  readonly userId: string;
  /** Grows with each notification of a person; what a watcher resumes after. */
  readonly sequence: number;
  readonly type: string;
  readonly title: string;
  readonly body: string;
  /** Milliseconds since the epoch. */
  readonly createTime: number;
  readonly readTime?: number;
  readonly deliveries: readonly Delivery[];
}

/** What somebody is to be told. */
export type Draft = Pick<Notification, "id" | "type" | "title" | "body">;

/** What can be said over a channel at all: the person's address for it, or why there is none. */
export type Reach = Readonly<
  Record<OuterChannel, { readonly ok: true } | { readonly ok: false; readonly why: string }>
>;

/** How a new notification goes out: over each channel that is wanted and reaches the person. */
export function planDeliveries(preferences: Preferences, reach: Reach, now: number): readonly Delivery[] {
  const outer = (["email", "webhook"] as const).map((channel): Delivery => {
    if (!preferences.channels.includes(channel)) return suppressed(channel, "not wanted", now);
    const way = reach[channel];
    return way.ok ? { channel, state: "pending", time: now, reason: "" } : suppressed(channel, way.why, now);
  });
  return [{ channel: "in-app", state: "delivered", time: now, reason: "" }, ...outer];
}

/** The notification with what became of one channel. */
export function withDelivery(notification: Notification, delivery: Delivery): Notification {
  const deliveries = notification.deliveries.map((old) => (old.channel === delivery.channel ? delivery : old));
  return { ...notification, deliveries };
}

/** Reading twice keeps the first time. */
export function markRead(notification: Notification, now: number): Notification {
  return notification.readTime === undefined ? { ...notification, readTime: now } : notification;
}

function suppressed(channel: OuterChannel, reason: string, time: number): Delivery {
  return { channel, state: "suppressed", time, reason };
}
