import { join } from "node:path";
import { type JsonObject, throwIfAborted } from "@weft/kit";
import { checkQuery, type SearchQuery } from "@weft/search";
import { SqliteFile } from "@weft/sqlite";
import { Catalog } from "./catalog.ts";
import { matches } from "./match.ts";
import { schema } from "./schema.ts";

/** Documents copied, and documents read back, at a time. */
const sliceSize = 200;

/**
 * Every matching document from one snapshot, in order of id.
 *
 * The documents are first copied to a temporary table (SQLite keeps it in a temporary file that goes with the
 * connection), in slices within one read transaction; then they are handed out from there. So however slow the
 * consumer is, the transaction lasts only as long as the copy, and memory stays bounded.
 */
export async function* scan(
  dataDir: string,
  index: string,
  query: Pick<SearchQuery, "text" | "filter">,
  signal: AbortSignal,
): AsyncIterable<JsonObject> {
  // A connection of its own: its transaction spans turns of the event loop.
  using file = new SqliteFile({ path: join(dataDir, "search.db"), schema });
  const count = await copy(file, index, query, signal);
  for (let after = 0; after < count; after += sliceSize) {
    throwIfAborted(signal);
    const slice = file.all<{ document: string }>(
      "SELECT document FROM copied WHERE place > ? AND place <= ? ORDER BY place",
      after,
      after + sliceSize,
    );
    for (const { document } of slice) yield JSON.parse(document) as JsonObject;
  }
}

async function copy(
  file: SqliteFile,
  index: string,
  query: Pick<SearchQuery, "text" | "filter">,
  signal: AbortSignal,
): Promise<number> {
  file.run("CREATE TEMP TABLE copied (place INTEGER PRIMARY KEY, document TEXT NOT NULL)");
  file.run("BEGIN");
  const entry = new Catalog(file).get(index);
  const filter = checkQuery(entry.definition, query);
  const { rows } = matches(file, entry, { text: query.text, filter, sort: [] });
  for (let start = 0; start < rows.length; start += sliceSize) {
    throwIfAborted(signal);
    file.run(
      `INSERT INTO temp.copied (document) SELECT b.document FROM json_each(?) hit
       CROSS JOIN body_${entry.number} b ON b.row = hit.value ORDER BY hit.key`,
      JSON.stringify(rows.slice(start, start + sliceSize)),
    );
    await new Promise((resolve) => setImmediate(resolve));
  }
  file.run("COMMIT");
  return rows.length;
}
