import { randomBytes } from "node:crypto";
import { type Kysely, sql } from "kysely";
import { type Client, type ClientConfig, escapeIdentifier, escapeLiteral } from "pg";
import { type Clock, WeftError } from "@weft/kit";
import type { InsertLogLag, InsertLogName, InsertLogReader, InsertLogs } from "@weft/sql";
import { endClient } from "../end-client.ts";
import { replicationError } from "./errors.ts";
import { openReader, replicationClient, type UnseenTransactions } from "./reader.ts";

/** Publications of single columns came with it. */
const oldestServer = 15;

export interface PostgresInsertLogsOptions<Schema> {
  readonly kysely: Kysely<Schema>;
  readonly config: ClientConfig;
  readonly clock: Clock;
}

/**
 * A log is a publication of the table's inserts and a replication slot on it. Slots are the server's, so the slot's name
 * has the database's number in it.
 */
export class PostgresInsertLogs<Schema> implements InsertLogs {
  readonly #options: PostgresInsertLogsOptions<Schema>;

  constructor(options: PostgresInsertLogsOptions<Schema>) {
    this.#options = options;
  }

  async prepare(log: InsertLogName): Promise<void> {
    const { rows } = await sql<{ level: string; version: number }>`
      select current_setting('wal_level') as level, current_setting('server_version_num')::int / 10000 as version
      `.execute(this.#options.kysely);
    const { level = "", version = 0 } = rows[0] ?? {};
    if (version < oldestServer) {
      throw impossible(`this server is PostgreSQL ${version}, and it takes ${oldestServer} or newer`);
    }
    if (level !== "logical") {
      throw impossible(`the server's wal_level is ${level}: set wal_level = logical in postgresql.conf and restart it`);
    }
    // Whether this user may: only the server can tell.
    await this.#connected(() => Promise.resolve());
    await this.#publish(log);
  }

  async make(log: InsertLogName, onBegun: () => Promise<void>, signal: AbortSignal): Promise<void> {
    await this.#publish(log);
    await this.drop(log.name);
    const slot = await this.#slotOf(log.name);
    await this.#connected(async (client) => {
      const give = (): void => void endClient(client, this.#options.clock);
      signal.addEventListener("abort", give, { once: true });
      try {
        signal.throwIfAborted();
        // Gone with this connection: the slot that stays is there only when the caller is through.
        const passing = `${slot}_${randomBytes(4).toString("hex")}`;
        await client.query(`CREATE_REPLICATION_SLOT ${escapeIdentifier(passing)} TEMPORARY LOGICAL pgoutput`);
        await onBegun();
        const names = [passing, slot].map(escapeLiteral).join(", ");
        await client.query(`select pg_copy_logical_replication_slot(${names}, false)`);
      } finally {
        signal.removeEventListener("abort", give);
      }
    });
  }

  async open(log: InsertLogName): Promise<InsertLogReader> {
    const { config, clock, kysely } = this.#options;
    // Without it the server would send nothing, and not a word about it.
    if (!(await this.#isPublished(log.name))) throw new WeftError("NOT_FOUND", "the server has no such log");
    const slot = await this.#slotOf(log.name);
    return openReader({ config, clock, unseen: () => unseenTransactions(kysely), slot, publication: log.name });
  }

  async lag(name: string): Promise<InsertLogLag | undefined> {
    const { rows } = await sql<{ retained: string | null; left: string | null }>`
      select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) as retained, safe_wal_size as left
      from pg_replication_slots where slot_name = ${await this.#slotOf(name)}`.execute(this.#options.kysely);
    const [slot] = rows;
    if (slot === undefined) return undefined;
    return { retainedBytes: Number(slot.retained ?? 0), leftBytes: slot.left === null ? undefined : Number(slot.left) };
  }

  async drop(name: string): Promise<boolean> {
    try {
      const { rows } = await sql`
        select pg_drop_replication_slot(slot_name) from pg_replication_slots
        where slot_name = ${await this.#slotOf(name)}`.execute(this.#options.kysely);
      return rows.length > 0;
    } catch (error) {
      throw inUse(error);
    }
  }

  /** Sends one column of what is inserted; before the slot, which could not be read from a time without it. */
  async #publish({ name, table, column }: InsertLogName): Promise<void> {
    const { kysely } = this.#options;
    if (await this.#isPublished(name)) return;
    try {
      await sql`
        create publication ${sql.id(name)} for table ${sql.id(table)} (${sql.id(column)})
        with (publish = 'insert')`.execute(kysely);
    } catch (error) {
      throw mayNotPublish(error);
    }
  }

  async #isPublished(name: string): Promise<boolean> {
    const { rows } = await sql`select 1 from pg_publication where pubname = ${name}`.execute(this.#options.kysely);
    return rows.length > 0;
  }

  async #slotOf(name: string): Promise<string> {
    if (!/^[a-z0-9_]{1,40}$/.test(name)) {
      throw new WeftError("INVALID_ARGUMENT", "a log's name is 1 to 40 lower-case letters, digits and underscores");
    }
    const { rows } = await sql<{ oid: string }>`
      select oid from pg_database where datname = current_database()`.execute(this.#options.kysely);
    return `${name}_${rows[0]?.oid ?? ""}`;
  }

  async #connected<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const client = replicationClient(this.#options.config);
    client.on("error", () => undefined);
    try {
      await client.connect();
      return await work(client);
    } catch (error) {
      throw replicationError(error);
    } finally {
      await endClient(client, this.#options.clock);
    }
  }
}

function impossible(why: string): WeftError {
  return new WeftError("FAILED_PRECONDITION", `the database can't keep a log of inserts: ${why}`);
}

/** These went through the pool, which has mapped them already. */
function stateOf(error: unknown): string | undefined {
  return error instanceof WeftError ? error.metadata["sqlState"] : undefined;
}

function inUse(error: unknown): unknown {
  if (stateOf(error) !== "55006") return error;
  return new WeftError("UNAVAILABLE", "another process reads the log", { cause: error });
}

function mayNotPublish(error: unknown): unknown {
  if (stateOf(error) !== "42501") return error;
  const message = "the user of the database may not make a publication: it takes CREATE on the database and the table";
  return new WeftError("FAILED_PRECONDITION", message, { cause: error });
}

/** As a query has it that begins now. */
async function unseenTransactions<Schema>(kysely: Kysely<Schema>): Promise<UnseenTransactions> {
  const { rows } = await sql<{ open: readonly string[]; next: string }>`
    select pg_snapshot_xmax(now.seen)::text as next, array(select pg_snapshot_xip(now.seen)::text) as open
    from (select pg_current_snapshot() as seen) as now`.execute(kysely);
  const { open = [], next = "0" } = rows[0] ?? {};
  return { open: open.map(lowerHalf), next: lowerHalf(next) };
}

function lowerHalf(transaction: string): number {
  return Number(BigInt.asUintN(32, BigInt(transaction)));
}
