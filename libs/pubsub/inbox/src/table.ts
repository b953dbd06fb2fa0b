import type { Migration } from "@weft/sql";

/**
 * The inbox's table, for the migrations of the service that owns the database. A service that takes it up later gives
 * it a name that sorts after the migrations it has: `inboxMigrations.map((one) => ({ ...one, name: "0007-inbox" }))`.
 */
export const inboxMigrations: readonly Migration[] = [
  {
    name: "0001-inbox",
    up: `
      create table weft_inbox (
        consumer text not null,
        -- SHA-256 of the event's source and id.
        event bytea not null,
        taken_in timestamptz not null default now(),
        primary key (consumer, event)
      );
      create index weft_inbox_by_time on weft_inbox (taken_in)`,
  },
];
