import type { StoredEvent } from "./pubsub.ts";

/** What a replay writes at once, so that others who write get their turn. */
const most = { events: 200, bytes: 1_000_000 };

/** The events of a replay in batches that may be written at once; with `eventId`, those of this id alone. */
export async function* replayBatches(
  events: AsyncIterable<StoredEvent>,
  eventId?: string,
): AsyncGenerator<readonly StoredEvent[]> {
  let batch: StoredEvent[] = [];
  let bytes = 0;
  for await (const stored of events) {
    if (eventId !== undefined && stored.event.id !== eventId) continue;
    batch.push(stored);
    bytes += stored.event.data.byteLength;
    if (batch.length < most.events && bytes < most.bytes) continue;
    yield batch;
    batch = [];
    bytes = 0;
  }
  if (batch.length > 0) yield batch;
}
