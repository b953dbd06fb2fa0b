import type { JsonObject } from "@weft/kit";
import {
  changeFailure,
  documentLanguage,
  fieldValues,
  maxExactTextLength,
  normalize,
  type SuggestTerm,
  suggestTerms,
} from "@weft/search";
import type { ChangeResult, DocumentChange, FieldValue } from "@weft/search";
import type { SqliteFile } from "@weft/sqlite";
import { analysisOf, tokenize, wholeToken } from "./analysis/tokens.ts";
import type { Catalog, IndexEntry } from "./catalog.ts";
import type { Column, TablesKey } from "./schema.ts";

/** Changes of one transaction: tens of milliseconds of work, so that neither readers nor the event loop wait long. */
export const chunkSize = 150;

/** A change with all its analysis done, so that the transaction only writes. */
type Prepared =
  | { readonly kind: "failed"; readonly result: ChangeResult }
  | { readonly kind: "delete"; readonly change: DocumentChange }
  | { readonly kind: "put"; readonly change: DocumentChange; readonly rows: DocumentRows };

/** What a document is found by. */
export interface DocumentRows {
  readonly document: string;
  /** Tokens of the columns that are searched by words, in their order. */
  readonly texts: readonly string[];
  readonly values: readonly { readonly field: number; readonly value: string | number }[];
  readonly suggestions: readonly (SuggestTerm & { readonly text: string })[];
}

/** Applies changes in order (laws F2, F3). */
export async function applyChanges(
  file: SqliteFile,
  catalog: Catalog,
  index: string,
  changes: readonly DocumentChange[],
): Promise<readonly ChangeResult[]> {
  const results: ChangeResult[] = [];
  catalog.get(index);
  for (let start = 0; start < changes.length; start += chunkSize) {
    if (start > 0) await turn();
    const entry = catalog.get(index);
    const prepared = changes.slice(start, start + chunkSize).map((change) => prepare(entry, change));
    await turn();
    file.transaction(() => {
      // Somebody may have dropped the index meanwhile, and made another of the same name, or given it another definition.
      const current = catalog.get(index);
      const same = current.number === entry.number && current.definition === entry.definition;
      const batch = same ? prepared : changes.slice(start, start + chunkSize).map((change) => prepare(current, change));
      const before = results.length;
      let added = 0;
      for (const one of batch) {
        const { result, delta } = write(file, current, one);
        results.push(result);
        added += delta;
      }
      if (results.slice(before).some((result) => result.outcome === "applied")) {
        file.run(
          "UPDATE search_index SET documents = documents + ?, generation = generation + 1 WHERE number = ?",
          added,
          current.number,
        );
      }
    });
  }
  return results;
}

/** Lets others have the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function prepare(entry: IndexEntry, change: DocumentChange): Prepared {
  const result = changeFailure(entry.definition, change);
  if (result !== undefined) return { kind: "failed", result };
  if (change.kind === "delete") return { kind: "delete", change };
  return { kind: "put", change, rows: documentRows(entry, change.document) };
}

/** A document that fits the definition, analysed. */
export function documentRows(
  { definition, columns }: Pick<IndexEntry, "definition" | "columns">,
  document: JsonObject,
): DocumentRows {
  const analysis = analysisOf(documentLanguage(definition, document));
  const texts: string[] = [];
  const values: { field: number; value: string | number }[] = [];
  const suggestions: (SuggestTerm & { text: string })[] = [];
  for (const { name, type, number, text } of columns) {
    const found = fieldValues(document, name, type);
    for (const value of found) {
      if (type.kind === "text" && String(value).length > maxExactTextLength) continue;
      values.push({ field: number, value: stored(value) });
    }
    if ("suggest" in type && type.suggest) {
      for (const value of found.map(String)) {
        for (const term of suggestTerms(value)) suggestions.push({ ...term, text: value });
      }
    }
    if (text === undefined) continue;
    const tokens: string[] = [];
    for (const value of found.map(String)) {
      tokenize(normalize(value), analysis, (token) => tokens.push(token));
      if (type.kind === "keyword") tokens.push(wholeToken(value));
    }
    texts.push(tokens.join(" "));
  }
  return { document: JSON.stringify(document), texts, values, suggestions };
}

/** A value as SQLite keeps it. */
export function stored(value: FieldValue): string | number {
  return typeof value === "boolean" ? Number(value) : value;
}

interface Stored {
  readonly row: number;
  readonly live: number;
  readonly newer: number;
}

function write(file: SqliteFile, entry: IndexEntry, prepared: Prepared): { result: ChangeResult; delta: number } {
  if (prepared.kind === "failed") return { result: prepared.result, delta: 0 };
  const { number } = entry;
  const { id, version } = prepared.change;
  // The comparison is SQLite's: a version may be larger than a JavaScript number holds exactly.
  const old = file.get<Stored>(
    `SELECT row, live, version >= ? AS newer FROM doc_${number} WHERE id = ?`,
    version ?? null,
    id,
  );
  if (old?.newer === 1) return { result: { outcome: "superseded" }, delta: 0 };
  const live = prepared.kind === "put" ? 1 : 0;
  const applied: ChangeResult = { outcome: "applied" };
  // Without a version there is nothing to remember of a document that never was.
  if (old === undefined && live === 0 && version === undefined) return { result: applied, delta: 0 };
  const row = old === undefined ? insertId(file, number, id) : old.row;
  file.run(
    `UPDATE doc_${number} SET version = coalesce(?, version + 1), live = ? WHERE row = ?`,
    version ?? null,
    live,
    row,
  );
  if (old?.live === 1) removeRows(file, number, row);
  if (prepared.kind === "put") insertRows(file, entry, row, prepared.rows);
  return { result: applied, delta: live - (old?.live ?? 0) };
}

function insertId(file: SqliteFile, number: number, id: string): number {
  file.run(`INSERT INTO doc_${number} (id, version, live) VALUES (?, 0, 0)`, id);
  // Not RETURNING: read as a query, that costs many times the insertion.
  return file.get<{ row: number }>("SELECT last_insert_rowid() AS row")?.row ?? 0;
}

/** Takes a document out of the tables that it is found by. */
export function removeRows(file: SqliteFile, number: TablesKey, row: number): void {
  file.run(`DELETE FROM body_${number} WHERE row = ?`, row);
  file.run(`DELETE FROM value_${number} WHERE row = ?`, row);
  file.run(`DELETE FROM suggest_${number} WHERE row = ?`, row);
  file.run(`DELETE FROM text_${number} WHERE rowid = ?`, row);
}

/** Puts a document into the tables that it is found by. */
export function insertRows(
  file: SqliteFile,
  { number, columns }: { readonly number: TablesKey; readonly columns: readonly Column[] },
  row: number,
  rows: DocumentRows,
): void {
  file.run(`INSERT INTO body_${number} (row, document) VALUES (?, ?)`, row, rows.document);
  for (const { field, value } of rows.values) {
    file.run(`INSERT OR IGNORE INTO value_${number} (field, value, row) VALUES (?, ?, ?)`, field, value, row);
  }
  for (const { term, text, inner } of rows.suggestions) {
    const sql = `INSERT OR IGNORE INTO suggest_${number} (term, row, text, inner) VALUES (?, ?, ?, ?)`;
    file.run(sql, term, row, text, Number(inner));
  }
  const texts = columns.flatMap((column) => column.text ?? []);
  if (texts.length === 0) return;
  const places = texts.map(() => "?").join(", ");
  file.run(`INSERT INTO text_${number} (rowid, ${texts.join(", ")}) VALUES (?, ${places})`, row, ...rows.texts);
}
