import { once } from "node:events";
import { type Clock, systemClock, WeftError } from "@weft/kit";
import type { CloudEvent, Delivery, PubSub } from "@weft/pubsub";
import { childOf, type Logger, parseTraceparent, withTrace } from "@weft/telemetry";

export interface FollowOptions {
  readonly pubsub: Pick<PubSub, "ensureTopic" | "subscribe">;
  readonly topic: { readonly name: string; readonly partitions: number };
  /** Replicas of one group share the events. */
  readonly group: string;
  /** Comes for an event at least once, and may come again: see {@link PubSub}. The signal: that nobody waits for it any more. */
  readonly handle: (event: CloudEvent, signal: AbortSignal) => Promise<void>;
  readonly log: Logger;
  /** For durations only. */
  readonly clock?: Clock;
}

/**
 * Background work: takes in the events of a topic until the signal aborts; what is in hand then is finished. Each
 * event that was handled (`debug`), and each try that failed (`warn`), is a line in the trace of the call that caused
 * the event. A failure that may pass is tried again until it has: of those, the first of a partition is a line, and that
 * its events are handled again.
 */
export async function follow(options: FollowOptions, signal: AbortSignal): Promise<void> {
  const { pubsub, topic, group } = options;
  await pubsub.ensureTopic(topic.name, { partitions: topic.partitions });
  const waiting = new Set<number>();
  const handle = (delivery: Delivery, given: AbortSignal): Promise<void> =>
    handleOne(delivery, { ...options, waiting, given });
  await using subscription = await pubsub.subscribe({ group, topics: [topic.name], handle });
  if (!signal.aborted) await Promise.race([once(signal, "abort"), subscription.ended]);
}

interface HandleOptions extends FollowOptions {
  /** Partitions whose last try failed for a reason that may pass. */
  readonly waiting: Set<number>;
  /** Of this try. */
  readonly given: AbortSignal;
}

async function handleOne(delivery: Delivery, options: HandleOptions): Promise<void> {
  const { group, handle, log, clock = systemClock, waiting, given } = options;
  const { event, topic, partition, attempt } = delivery;
  const startedAt = clock.monotonic();
  const told = (): readonly [Logger, object] => {
    const { traceparent, tracestate } = event.extensions;
    const trace = childOf(parseTraceparent(traceparent, tracestate));
    const durationMs = clock.monotonic() - startedAt;
    const fields = { event: event.id, type: event.type, subject: event.subject, topic, partition, group, attempt };
    return [withTrace(log, trace), { ...fields, durationMs }];
  };
  try {
    await handle(event, given);
  } catch (err) {
    const { reason, retryable } = WeftError.from(err);
    if (!retryable || !waiting.has(partition)) {
      const [traced, fields] = told();
      traced.warn({ ...fields, reason, err }, "an event was not handled");
    }
    if (retryable) waiting.add(partition);
    throw err;
  }
  if (waiting.delete(partition)) log.info({ topic, partition, group }, "events are handled again");
  if (log.level !== "debug") return;
  const [traced, fields] = told();
  traced.debug(fields, "event");
}
