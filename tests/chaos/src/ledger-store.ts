import type { Kysely } from "kysely";
import { inboxMigrations } from "@weft/inbox";
import type { Migration } from "@weft/sql";
import type { Effect } from "./account.ts";

/** The ledger's table, beside the inbox. */
export interface LedgerSchema {
  readonly effect: { user_id: string; version: number; kind: Effect["kind"]; mark: string };
}

export const ledgerMigrations: readonly Migration[] = [
  ...inboxMigrations,
  {
    name: "1001-ledger",
    up: `
      -- Nothing here is unique: what takes effect twice is to be seen twice.
      create table effect (
        user_id text not null,
        version integer not null,
        kind text not null,
        mark text not null
      )`,
  },
];

export async function writeEffect(database: Kysely<LedgerSchema>, { userId, ...effect }: Effect): Promise<void> {
  await database
    .insertInto("effect")
    .values({ user_id: userId, ...effect })
    .execute();
}

export async function readEffects(database: Kysely<LedgerSchema>): Promise<readonly Effect[]> {
  return database.selectFrom("effect").select(["user_id as userId", "version", "kind", "mark"]).execute();
}
