import type { InsertLogName, Migration } from "@weft/sql";

/** Notified by every transaction that adds an event. */
export const channel = "weft_outbox";

/** The log that the relay `replication` follows: the ids of what is added. */
export const insertLog: InsertLogName = { name: "weft_outbox", table: "weft_outbox", column: "id" };

/**
 * The outbox's table, for the migrations of the service that owns the database.
 *
 * An event's place is its `id`, drawn after its transaction got the lock of the aggregate's row: so the ids of one key
 * grow in the order of its versions, and whoever sees the later event sees the earlier one. Rows are deleted once they
 * are published. The sequence must not hand out ids in blocks (`cache` is 1, the default): an id that is seen tells that
 * all below it have been drawn.
 */
export const outboxMigrations: readonly Migration[] = [
  {
    name: "0001-outbox",
    up: `
      create table weft_outbox (
        id bigint generated always as identity primary key,
        topic text not null,
        key text not null,
        -- Everything of the CloudEvent but its data.
        attributes jsonb not null,
        data bytea not null
      )`,
  },
];
