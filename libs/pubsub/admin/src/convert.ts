import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import type { DeadLetterSchema, EventSchema } from "@weft/contracts/events";
import type { DeadLetter, Delivery, StoredEvent } from "@weft/pubsub";

/** An event of the log. */
export function toStored(stored: StoredEvent): MessageInitShape<typeof EventSchema> {
  return { ...toEvent(stored), publishTime: timestampFromMs(stored.publishTime) };
}

/** A dead letter, with its event as it came from its topic. */
export function toDeadLetter(letter: DeadLetter): MessageInitShape<typeof DeadLetterSchema> {
  const { delivery, group, reason, detail, time } = letter;
  return {
    event: toEvent(delivery),
    group,
    reason,
    detail,
    attempts: delivery.attempt,
    failTime: timestampFromMs(time),
  };
}

/** Saturates: a count over two thousand million is as good as that. */
export function toInt32(count: number): number {
  return Math.min(count, 2 ** 31 - 1);
}

type Placed = Pick<Delivery & StoredEvent, "topic" | "partition" | "offset" | "key" | "event">;

function toEvent({ topic, partition, offset, key, event }: Placed): MessageInitShape<typeof EventSchema> {
  const { id, source, type, subject = "", time, dataContentType, data, extensions } = event;
  return {
    ...{ id, source, type, subject, dataContentType, data, topic, partition, offset, key },
    time: timestampFromMs(time),
    version: versionOf(extensions["aggregateversion"]),
    traceparent: extensions["traceparent"] ?? "",
  };
}

/** 0 for an event that does not say its aggregate's version, or not as a number that a message can carry. */
function versionOf(text: string | undefined): bigint {
  return text !== undefined && /^\d{1,18}$/.test(text) ? BigInt(text) : 0n;
}
