import { sql, type Transaction } from "kysely";
import type { Schema } from "./schema.ts";

/** What was done under a request id (AIP-155). */
export interface CreateRequest {
  readonly requestId: string;
  /** Of the request's content, without secrets. */
  readonly fingerprint: string;
  readonly userId: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** How long a request id is remembered, in milliseconds. */
export const rememberMs = 24 * 3_600_000;

/**
 * Claims the id for a new user. Answers what was done under it before, if that is not too long ago; waits for another
 * transaction that is claiming it.
 */
export async function claimRequest(
  transaction: Transaction<Schema>,
  { requestId, fingerprint, userId, time }: CreateRequest,
): Promise<Pick<CreateRequest, "fingerprint" | "userId"> | undefined> {
  const claimed = await sql`
    insert into create_requests as r (request_id, fingerprint, user_id, create_time)
    values (${requestId}, ${fingerprint}, ${userId}, ${new Date(time)})
    on conflict (request_id) do update
      set fingerprint = excluded.fingerprint, user_id = excluded.user_id, create_time = excluded.create_time
      where r.create_time < ${new Date(time - rememberMs)}
    returning 1`.execute(transaction);
  if (claimed.rows.length > 0) return undefined;
  const before = await transaction
    .selectFrom("create_requests")
    .select(["fingerprint", "user_id as userId"])
    .where("request_id", "=", requestId)
    .executeTakeFirst();
  return before;
}
