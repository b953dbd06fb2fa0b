import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Clock, WeftError } from "@weft/kit";
import { SqliteFile } from "@weft/sqlite";
import type { Matches } from "./match.ts";

/** How long a result list is kept after its last use, in milliseconds. */
const keepMs = 10 * 60_000;
/** Use is noted no more often than this. */
const touchMs = 60_000;
/** Bound of the number of lists; the least used go first. */
const maxLists = 2000;

export interface ResultPagesOptions {
  /** Folder of the file. */
  readonly dataDir: string;
  readonly clock: Clock;
  /** Bound of all lists together; the least used go first. Default 64 MiB. */
  readonly maxBytes?: number;
}

const schema = [
  `CREATE TABLE result (
     key TEXT PRIMARY KEY, index_number INTEGER NOT NULL, used INTEGER NOT NULL,
     rows BLOB NOT NULL, scores BLOB, size INTEGER NOT NULL) STRICT, WITHOUT ROWID`,
  "CREATE INDEX result_used ON result (used DESC, key, size)",
  // Lists from before have none, and are of no use.
  "DELETE FROM result; ALTER TABLE result ADD COLUMN definition TEXT NOT NULL DEFAULT ''",
];

/** The rows that a query matched. */
export interface ResultList extends Matches {
  /** Of the index when it was asked, as text: a reindex may give it another one. */
  readonly definition: string;
}

/**
 * Lists of the rows that a query matched, kept for its later pages, so that pages put together are each match once
 * whatever is written meanwhile (law F4). Scores depend on every other document, so a place in the order could not be
 * found again by values alone.
 *
 * They lie in a file of their own: searches must not wait for the writers of the index. Equal queries on the same
 * state of an index share a list.
 */
export class ResultPages implements Disposable {
  readonly #file: SqliteFile;
  readonly #clock: Clock;
  readonly #maxBytes: number;

  constructor(options: ResultPagesOptions) {
    const { dataDir, clock, maxBytes = 64 * 1024 * 1024 } = options;
    this.#file = new SqliteFile({ path: join(dataDir, "search-pages.db"), schema });
    this.#clock = clock;
    this.#maxBytes = maxBytes;
  }

  /** @param query names the query and the state of the index; returns the key of the list */
  save(indexNumber: number, query: string, list: ResultList): string {
    const key = createHash("sha256").update(query).digest("base64url").slice(0, 22);
    const now = this.#clock.now();
    const known = this.#file.get<{ used: number }>("SELECT used FROM result WHERE key = ?", key);
    if (known !== undefined && now - known.used < touchMs) return key;
    this.#file.transaction(() => {
      if (this.#file.run("UPDATE result SET used = ? WHERE key = ?", now, key) > 0) return;
      const rows = bytes(Uint32Array.from(list.rows));
      const scores = list.scores === undefined ? null : bytes(Float64Array.from(list.scores));
      const size = rows.byteLength + (scores?.byteLength ?? 0) + list.definition.length;
      this.#file.run("DELETE FROM result WHERE used < ?", now - keepMs);
      this.#file.run(
        `DELETE FROM result WHERE key IN
           (SELECT key FROM
             (SELECT key, sum(size) OVER place AS total, row_number() OVER place AS place
              FROM result WINDOW place AS (ORDER BY used DESC, key))
            WHERE total > ? OR place >= ?)`,
        Math.max(0, this.#maxBytes - size),
        maxLists,
      );
      this.#file.run(
        "INSERT INTO result VALUES (?, ?, ?, ?, ?, ?, ?)",
        key,
        indexNumber,
        now,
        rows,
        scores,
        size,
        list.definition,
      );
    });
    return key;
  }

  /** `INVALID_PAGE_TOKEN` when the list is not of this index or no longer kept. */
  load(indexNumber: number, key: string): ResultList {
    const now = this.#clock.now();
    const found = this.#file.get<{ rows: Uint8Array; scores: Uint8Array | null; used: number; definition: string }>(
      "SELECT rows, scores, used, definition FROM result WHERE key = ? AND index_number = ? AND used >= ?",
      key,
      indexNumber,
      now - keepMs,
    );
    if (found === undefined) throw new WeftError("INVALID_PAGE_TOKEN", "the page token has expired; start again");
    if (now - found.used > touchMs) this.#file.run("UPDATE result SET used = ? WHERE key = ?", now, key);
    // Copies: what SQLite hands out need not be aligned.
    const rows = Array.from(new Uint32Array(found.rows.slice().buffer));
    const scores = found.scores === null ? undefined : Array.from(new Float64Array(found.scores.slice().buffer));
    return { rows, scores, definition: found.definition };
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }
}

function bytes(list: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(list.buffer, list.byteOffset, list.byteLength);
}
