import { type Draft, type Notification, planDeliveries, type Reach } from "../domain/notification.ts";
import { type PresentPerson, preferencesOf } from "../domain/person.ts";
import { type OuterChannel, quietUntil } from "../domain/preferences.ts";
import type { Parts } from "./parts.ts";

/** The change that puts a notification into somebody's inbox and on its way over their channels. */
export function notify(
  parts: Pick<Parts, "senders" | "clock">,
  person: PresentPerson,
  draft: Draft,
): { readonly person: PresentPerson; readonly notification: Notification; readonly due: number } {
  const now = parts.clock.now();
  const preferences = preferencesOf(person);
  const sequence = person.sequence + 1;
  const deliveries = planDeliveries(preferences, reachOf(parts, person), now);
  const notification = { ...draft, userId: person.userId, sequence, createTime: now, deliveries };
  return { person: { ...person, sequence }, notification, due: quietUntil(preferences, now) ?? now };
}

/** Where a channel reaches the person; empty when it doesn't. */
export function addressOf(person: PresentPerson, channel: OuterChannel): string {
  return channel === "email" ? person.email : preferencesOf(person).webhookUrl;
}

function reachOf({ senders }: Pick<Parts, "senders">, person: PresentPerson): Reach {
  const way = (channel: OuterChannel, unconfigured: string, unknown: string): Reach[OuterChannel] => {
    if (senders[channel] === undefined) return { ok: false, why: unconfigured };
    return addressOf(person, channel) === "" ? { ok: false, why: unknown } : { ok: true };
  };
  return {
    email: way("email", "no mail server is configured", "no address is known"),
    webhook: way("webhook", "webhooks are not configured", "no URL is known"),
  };
}
