import type { Database } from "./schema.ts";
import { rememberMs } from "./requests.ts";

/** Removes what nobody will ask for again: old request ids, and sessions that ran out. */
export async function deleteExpired(database: Database, now: number): Promise<void> {
  await database.kysely
    .deleteFrom("create_requests")
    .where("create_time", "<", new Date(now - rememberMs))
    .execute();
  await database.kysely.deleteFrom("sessions").where("expire_time", "<", new Date(now)).execute();
}
