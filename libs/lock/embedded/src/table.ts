import { join } from "node:path";
import { SqliteFile } from "@weft/sqlite";

/** Steps of the file's schema; only ever appended to. */
export const schema = [
  // One counter for all names: a row can go when its lock is released, and tokens still only grow.
  `CREATE TABLE lock (name TEXT PRIMARY KEY, token INTEGER NOT NULL, expires_ms INTEGER NOT NULL) WITHOUT ROWID;
   CREATE TABLE counter (value INTEGER NOT NULL);
   INSERT INTO counter VALUES (0);`,
];

/** `lock.db` in the data folder. Times are milliseconds since the epoch. */
export class LockTable implements Disposable {
  readonly #file: SqliteFile;

  constructor(dataDir: string) {
    // Tokens must not go back after a loss of power either: what they fence may live elsewhere. The wait for another
    // process's transaction is short, for a renewal that comes too late is none.
    this.#file = new SqliteFile({ path: join(dataDir, "lock.db"), schema, durability: "full", busyTimeoutMs: 500 });
  }

  /** The token, or undefined while another holds the lock. */
  take(name: string, nowMs: number, ttlMs: number): bigint | undefined {
    // Most tries of waiters fail: find that out without the write lock.
    if (this.expiresMs(name) > nowMs) return undefined;
    return this.#file.transaction(() => {
      if (this.expiresMs(name) > nowMs) return undefined;
      this.#file.run("UPDATE counter SET value = value + 1");
      const token = this.#file.get<{ value: number }>("SELECT value FROM counter")?.value ?? 0;
      this.#file.run("INSERT OR REPLACE INTO lock VALUES (?, ?, ?)", name, token, nowMs + ttlMs);
      return BigInt(token);
    });
  }

  /** False when the lease has expired or belongs to another. */
  renew(name: string, token: bigint, nowMs: number, ttlMs: number): boolean {
    const renewed = this.#file.run(
      "UPDATE lock SET expires_ms = ? WHERE name = ? AND token = ? AND expires_ms > ?",
      ...[nowMs + ttlMs, name, token, nowMs],
    );
    return renewed > 0;
  }

  release(name: string, token: bigint): void {
    this.#file.transaction(() => this.#file.run("DELETE FROM lock WHERE name = ? AND token = ?", name, token));
  }

  /** When the lock is free at the latest; 0 when nobody holds it. */
  expiresMs(name: string): number {
    return this.#file.get<{ expires_ms: number }>("SELECT expires_ms FROM lock WHERE name = ?", name)?.expires_ms ?? 0;
  }

  onChange(listener: () => void): Disposable {
    return this.#file.onChange(listener);
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}
