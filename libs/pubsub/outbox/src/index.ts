export { addToOutbox, type OutboxEntry } from "./outbox.ts";
export { type OutboxRelayKind, type OutboxRelayOptions, runOutboxRelay } from "./relay.ts";
export { outboxMigrations } from "./table.ts";
