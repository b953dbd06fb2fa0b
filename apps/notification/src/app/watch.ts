import { WeftError } from "@weft/kit";
import type { Notification } from "../domain/notification.ts";
import type { Parts } from "./parts.ts";

/** Notifications that are read at once for a watcher that is behind. */
const batch = 100;

/** Whose inbox is watched, and from where on. */
export interface WatchRequest {
  readonly userId: string;
  /** The last one that the watcher has; from now on when it is empty. */
  readonly eventId: string;
  readonly signal: AbortSignal;
  /** Told when nothing is wrong with the request. */
  readonly accept: () => void;
}

/** What is added to an inbox. Ends when the signal aborts. */
export async function* watch(
  parts: Pick<Parts, "people" | "inbox" | "changes">,
  { userId, eventId, signal, accept }: WatchRequest,
): AsyncGenerator<Notification, void> {
  const newest = await lastSequence(parts, userId);
  // An id from before the store was emptied lies ahead of everything: waiting for it would be waiting for long.
  let last = eventId === "" ? newest : Math.min(sequenceOf(eventId), newest);
  accept();
  while (!signal.aborted) {
    const version = parts.changes.version;
    const added = await parts.inbox.since(userId, last, batch);
    for (const notification of added) {
      yield notification;
      last = notification.sequence;
    }
    if (added.length === 0) await parts.changes.after(version, signal);
  }
}

/** What a watcher resumes after. */
export function eventIdOf(notification: Notification): string {
  return String(notification.sequence);
}

function sequenceOf(eventId: string): number {
  if (/^(0|[1-9][0-9]{0,14})$/.test(eventId)) return Number(eventId);
  const description = "is not the id of an event of this stream";
  throw new WeftError("INVALID_ARGUMENT", `event_id ${description}`, {
    violations: [{ field: "event_id", description }],
  });
}

async function lastSequence({ people }: Pick<Parts, "people">, userId: string): Promise<number> {
  const person = await people.get(userId);
  return person.state === "present" ? person.sequence : 0;
}
