import { createHash } from "node:crypto";
import { Client, type ClientConfig } from "pg";
import { systemClock, WeftError } from "@weft/kit";
import type { Migration } from "@weft/sql";
import { endClient } from "./end-client.ts";
import { postgresError } from "./errors.ts";

/** Any number that nobody else takes as an advisory lock of the same database: `weft` in ASCII. */
const lockKey = 0x77656674;
/** How long to wait for another process that migrates, in milliseconds. */
const lockWaitMs = 60_000;
/** Limit of a single migration, in milliseconds: a server that has gone silent ends the wait some time. */
const migrationMs = 30 * 60_000;
/** How much longer than the server's own limit to wait for an answer, in milliseconds. */
const answerGraceMs = 2000;

const bookkeeping = `
  create table if not exists weft_migrations (
    name text collate "C" primary key,
    checksum text not null,
    applied_at timestamptz not null default now()
  )`;

/**
 * Runs what has not run yet, in order of name, under an advisory lock and each step in a transaction with its record.
 * On a connection of its own: a migration may take longer than any statement of the pool.
 */
export async function migrate(config: ClientConfig, migrations: readonly Migration[]): Promise<void> {
  const ordered = inOrder(migrations);
  const client = new Client({
    ...config,
    statement_timeout: migrationMs,
    lock_timeout: lockWaitMs,
    query_timeout: lockWaitMs + answerGraceMs,
  });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("select pg_advisory_lock($1)", [lockKey]);
    await client.query(bookkeeping);
    const { rows } = await client.query<Applied>("select name, checksum from weft_migrations order by name");
    for (const migration of pending(ordered, rows)) await apply(client, migration);
  } catch (error) {
    throw postgresError(error);
  } finally {
    // Ends the session, and with it the lock.
    await endClient(client, systemClock);
  }
}

interface Applied {
  readonly name: string;
  readonly checksum: string;
}

function inOrder(migrations: readonly Migration[]): Migration[] {
  const ordered = migrations.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const twice = ordered.find((migration, index) => migration.name === ordered[index + 1]?.name);
  if (twice !== undefined) throw new WeftError("FAILED_PRECONDITION", `there are two migrations named ${twice.name}`);
  return ordered;
}

function pending(migrations: readonly Migration[], applied: readonly Applied[]): Migration[] {
  const known = new Map(migrations.map((migration) => [migration.name, checksum(migration)]));
  const last = migrations.at(-1)?.name ?? "";
  for (const { name, checksum: recorded } of applied) {
    const current = known.get(name);
    // A newer version's: this process is the older one of a rolling update, or it was started again during one.
    if (current === undefined && name > last) continue;
    if (current === undefined) throw refused(name, "ran on this database, but is not known here");
    if (current !== recorded) throw refused(name, "was changed after it ran on this database");
  }
  const done = new Set(applied.map(({ name }) => name));
  return migrations.filter(({ name }) => !done.has(name));
}

function refused(name: string, what: string): WeftError {
  return new WeftError("FAILED_PRECONDITION", `migration ${name} ${what}`, { metadata: { migration: name } });
}

async function apply(client: Client, migration: Migration): Promise<void> {
  await client.query("begin");
  // Its own limit, which pg takes and its types do not know.
  const step = { text: migration.up, query_timeout: migrationMs + answerGraceMs };
  await client.query(step);
  await client.query("insert into weft_migrations (name, checksum) values ($1, $2)", [
    migration.name,
    checksum(migration),
  ]);
  await client.query("commit");
}

function checksum(migration: Migration): string {
  return createHash("sha256").update(migration.up).digest("hex");
}
