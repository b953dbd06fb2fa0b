import type { Kysely, Transaction } from "kysely";
import type { Schema } from "./schema.ts";

/** A login and everything refreshed from it. */
export interface Session {
  readonly id: string;
  readonly userId: string;
  /** Of the one refresh token that is good now. */
  readonly tokenHash: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export async function insertSession(database: Kysely<Schema>, session: Session): Promise<void> {
  const { id, userId, tokenHash, expiresAt } = session;
  await database
    .insertInto("sessions")
    .values({ id, user_id: userId, token_hash: tokenHash, expire_time: new Date(expiresAt) })
    .execute();
}

/** Puts the next token in the place of the current one, and answers whose session it is; undefined when `from` is not current. */
export async function rotateSession(
  database: Kysely<Schema>,
  { id, from, to, now, expiresAt }: { id: string; from: string; to: string; now: number; expiresAt: number },
): Promise<string | undefined> {
  const rotated = await database
    .updateTable("sessions")
    .set({ token_hash: to, expire_time: new Date(expiresAt) })
    .where("id", "=", id)
    .where("token_hash", "=", from)
    .where("expire_time", ">", new Date(now))
    .returning("user_id")
    .executeTakeFirst();
  return rotated?.user_id;
}

export async function deleteSession(database: Kysely<Schema>, id: string): Promise<void> {
  await database.deleteFrom("sessions").where("id", "=", id).execute();
}

/** Ends every session of a user. */
export async function deleteSessionsOf(transaction: Transaction<Schema>, userId: string): Promise<void> {
  await transaction.deleteFrom("sessions").where("user_id", "=", userId).execute();
}
