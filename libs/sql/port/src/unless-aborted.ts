import { throwIfAborted } from "@weft/kit";
import type { Kysely } from "kysely";
import type { SqlDatabase } from "./sql.ts";

/**
 * What `read` finds, on a connection of its own. It is not begun, and the signal's reason is thrown, when that was
 * aborted by the time a connection was free: on a busy database that is a wait, and nobody would see the answer. What has
 * begun runs to its end, which the time limit of statements bounds.
 */
export async function unlessAborted<Schema, T>(
  { kysely }: Pick<SqlDatabase<Schema>, "kysely">,
  signal: AbortSignal | undefined,
  read: (connection: Kysely<Schema>) => Promise<T>,
): Promise<T> {
  if (signal === undefined) return read(kysely);
  throwIfAborted(signal);
  return kysely.connection().execute(async (connection) => {
    throwIfAborted(signal);
    return read(connection);
  });
}
