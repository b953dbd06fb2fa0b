import { Client, DatabaseError, escapeIdentifier } from "pg";
import { type Secret, systemClock, WeftError } from "@weft/kit";
import { endClient } from "./end-client.ts";
import { postgresError } from "./errors.ts";
import { type PostgresUrl, readPostgresUrl } from "./url.ts";

/** What every server has. */
const maintenanceDatabase = "postgres";
const connectTimeoutMs = 10_000;
const queryTimeoutMs = 30_000;

/**
 * Makes the database that a URL names when the server does not have it. Resolves when it answers.
 *
 * `UNAVAILABLE` for a server that does not answer within 10 s, `INVALID_CONFIGURATION` where the user of the URL may not
 * make it.
 */
export async function ensureDatabase(url: Secret): Promise<void> {
  const { server } = await readPostgresUrl(url);
  try {
    await query(server, "select 1");
  } catch (error) {
    if (!hasState(error, "3D000")) throw postgresError(error);
    await createDatabase(server);
  }
}

async function createDatabase(server: PostgresUrl["server"]): Promise<void> {
  const name = server.database ?? server.user ?? "";
  try {
    await query({ ...server, database: maintenanceDatabase }, `create database ${escapeIdentifier(name)}`);
  } catch (error) {
    // Somebody else was quicker: they meet in the catalogue, or in its index.
    if (hasState(error, "42P04", "23505")) return;
    if (!hasState(error, "42501", "3D000")) throw postgresError(error);
    const message = `the server has no database ${name}, and the user of the URL may not make it`;
    throw new WeftError("INVALID_CONFIGURATION", message, { cause: postgresError(error) });
  }
}

async function query(server: PostgresUrl["server"], text: string): Promise<void> {
  const client = new Client({ ...server, connectionTimeoutMillis: connectTimeoutMs, query_timeout: queryTimeoutMs });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query(text);
  } finally {
    await endClient(client, systemClock);
  }
}

function hasState(error: unknown, ...states: readonly string[]): boolean {
  return error instanceof DatabaseError && states.includes(error.code ?? "");
}
