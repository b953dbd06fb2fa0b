import { createHash } from "node:crypto";
import type { CloudEvent } from "@weft/pubsub";

/** An event on its way into a consumer. */
export interface Intake {
  /** Whose effect it is: the consumer group. Each group has its own record of an event. */
  readonly group: string;
  /** `source` and `id` together are an event's identity (CloudEvents 1.0, 3.1.1). */
  readonly event: Pick<CloudEvent, "source" | "id">;
}

const dayMs = 24 * 3_600_000;

/**
 * How long an event is remembered unless a consumer says otherwise, in milliseconds: 45 days.
 *
 * A record has to outlive every way on which its event can come again. The log is replayed for the 7 days that it keeps
 * events, and a dead letter of its last day is redriven for 30 more; the rest is for a relay that publishes again, and
 * for a group that stood still. Whoever keeps events for longer remembers them for longer.
 */
export const rememberMs = 45 * dayMs;

/** What an event is called in an inbox: of one length and plain, whatever others call their events. */
export function identityOf({ source, id }: Intake["event"]): Buffer {
  // As JSON, so that no other source and id run together to the same text.
  return createHash("sha256")
    .update(JSON.stringify([source, id]))
    .digest();
}
