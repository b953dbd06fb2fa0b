import { sql, type Transaction } from "kysely";
import type { CloudEvent } from "@weft/pubsub";
import { channel } from "./table.ts";

/** An event on its way to a topic. */
export interface OutboxEntry {
  readonly topic: string;
  /** Orders it among events of the same key: the aggregate's id. */
  readonly key: string;
  readonly event: CloudEvent;
}

/**
 * Adds events to a transaction: they are published if and only if it commits.
 *
 * Call it after the statement that locks or inserts the aggregate's row, so that the order of events of one key is the
 * order of its versions.
 */
export async function addToOutbox<Schema>(
  transaction: Transaction<Schema>,
  entries: OutboxEntry | readonly OutboxEntry[],
): Promise<void> {
  const rows = "event" in entries ? [entries] : entries;
  if (rows.length === 0) return;
  // One round trip: the notification is sent at commit, and once however often it was asked for.
  await sql`
    with added as (
      insert into weft_outbox (topic, key, attributes, data)
      select topic, key, attributes::jsonb, data
      from unnest(
        ${rows.map((row) => row.topic)}::text[],
        ${rows.map((row) => row.key)}::text[],
        ${rows.map((row) => attributesOf(row.event))}::text[],
        ${rows.map((row) => Buffer.from(row.event.data))}::bytea[]
      ) with ordinality as entry (topic, key, attributes, data, position)
      order by position
    )
    select pg_notify(${channel}, '')`.execute(transaction);
}

function attributesOf({ data: _, ...attributes }: CloudEvent): string {
  return JSON.stringify(attributes);
}
