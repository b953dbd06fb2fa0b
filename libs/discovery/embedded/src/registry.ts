import { join } from "node:path";
import type { Instance } from "@weft/discovery";
import { SqliteFile } from "@weft/sqlite";

/** An instance as the registry holds it. */
export interface InstanceRow extends Instance {
  readonly ttlMs: number;
  /** Milliseconds since the epoch. The processes of one data folder share one machine, and so one clock. */
  readonly expiresMs: number;
}

/** Which entry of the registry is meant: every registration has another `owner`, also of the same service and id. */
export interface EntryKey {
  readonly service: string;
  readonly id: string;
  readonly owner: string;
}

/** Rows of the dead are kept this long, in milliseconds: for people who look into the files. */
const keepDeadMs = 60_000;

/** Steps of the schema of `discovery.db`; only ever appended to. */
export const schema = [
  `CREATE TABLE instance (
     service TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, address TEXT NOT NULL, metadata TEXT NOT NULL,
     ttl_ms INTEGER NOT NULL, put_ms INTEGER NOT NULL,
     PRIMARY KEY (service, id)
   ) WITHOUT ROWID`,
];
const beatSchema = ["CREATE TABLE beat (owner TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL) WITHOUT ROWID"];

/**
 * Who is there is in `discovery.db`, which changes only when somebody comes or goes. Heartbeats have a file of their own,
 * `discovery-beats.db`, which nobody watches: so they wake nobody. An entry without a beat is a dead one.
 */
export class Registry implements Disposable {
  readonly #members: SqliteFile;
  readonly #beats: SqliteFile;

  constructor(dataDir: string) {
    // A process stopped inside a transaction must not hold up everybody's heartbeats for long.
    const busyTimeoutMs = 1000;
    this.#members = new SqliteFile({ path: join(dataDir, "discovery.db"), schema, busyTimeoutMs });
    const path = join(dataDir, "discovery-beats.db");
    this.#beats = new SqliteFile({ path, schema: beatSchema, busyTimeoutMs });
  }

  put(owner: string, row: InstanceRow, nowMs: number): void {
    // The beat comes first: whoever reads the entry must find it alive.
    const living = this.#beats.transaction(() => {
      this.#beats.run("DELETE FROM beat WHERE expires_ms < ?", nowMs - keepDeadMs);
      this.#beats.run("INSERT OR REPLACE INTO beat VALUES (?, ?)", owner, row.expiresMs);
      return this.#beats.all<{ owner: string }>("SELECT owner FROM beat").map((beat) => beat.owner);
    });
    this.#members.transaction(() => {
      this.#members.run(
        "DELETE FROM instance WHERE put_ms < ? AND owner NOT IN (SELECT value FROM json_each(?))",
        ...[nowMs - keepDeadMs, JSON.stringify(living)],
      );
      this.#members.run(
        "INSERT OR REPLACE INTO instance VALUES (?, ?, ?, ?, ?, ?, ?)",
        ...[row.service, row.id, owner, row.address, JSON.stringify(row.metadata), row.ttlMs, nowMs],
      );
    });
  }

  /**
   * Prolongs an entry. `lapsed`: it is not there, or others take it for dead: put it again. `replaced`: the id belongs
   * to a later registration.
   */
  beat(key: EntryKey, ttlMs: number, nowMs: number): "alive" | "lapsed" | "replaced" {
    const entry = this.#members.get<{ owner: string }>(
      "SELECT owner FROM instance WHERE service = ? AND id = ?",
      ...[key.service, key.id],
    );
    if (entry !== undefined && entry.owner !== key.owner) return "replaced";
    const alive = this.#beats.run(
      "UPDATE beat SET expires_ms = ? WHERE owner = ? AND expires_ms > ?",
      ...[nowMs + ttlMs, key.owner, nowMs],
    );
    return entry !== undefined && alive > 0 ? "alive" : "lapsed";
  }

  remove(key: EntryKey): void {
    this.#members.transaction(() =>
      this.#members.run(
        "DELETE FROM instance WHERE service = ? AND id = ? AND owner = ?",
        ...[key.service, key.id, key.owner],
      ),
    );
    this.#beats.run("DELETE FROM beat WHERE owner = ?", key.owner);
  }

  /** Everything there is, the dead included, sorted by service and id. */
  read(): readonly InstanceRow[] {
    // In this order: an entry read here had its beat before.
    const members = this.#members.all<StoredRow>("SELECT * FROM instance ORDER BY service, id");
    const beats = this.#beats.all<{ owner: string; expires_ms: number }>("SELECT owner, expires_ms FROM beat");
    const expiry = new Map(beats.map((beat) => [beat.owner, beat.expires_ms]));
    return members.map((row) => ({
      service: row.service,
      id: row.id,
      address: row.address,
      metadata: JSON.parse(row.metadata) as Record<string, string>,
      ttlMs: row.ttl_ms,
      expiresMs: expiry.get(row.owner) ?? 0,
    }));
  }

  /** Throws what a heartbeat would fail with now: a full disk, a file that is locked. */
  probe(): void {
    this.#beats.run("INSERT OR REPLACE INTO beat VALUES ('probe', 0)");
  }

  /** Calls `listener` when somebody came or went; never for heartbeats. */
  onChange(listener: () => void): Disposable {
    return this.#members.onChange(listener);
  }

  [Symbol.dispose](): void {
    this.#members[Symbol.dispose]();
    this.#beats[Symbol.dispose]();
  }
}

interface StoredRow {
  readonly service: string;
  readonly id: string;
  readonly owner: string;
  readonly address: string;
  readonly metadata: string;
  readonly ttl_ms: number;
}
