import { decodePageToken, encodePageToken, formatFilter, invalidPageToken } from "@weft/filter";
import type { JsonObject } from "@weft/kit";
import { checkQuery, decodeDefinition, documentLanguage, encodeDefinition, fieldValues } from "@weft/search";
import type { SearchHit, SearchPage, SearchQuery } from "@weft/search";
import type { SqliteFile } from "@weft/sqlite";
import { excerptsFor } from "./analysis/excerpt.ts";
import { parseQuery, type TextQuery } from "./analysis/query.ts";
import { analysisOf } from "./analysis/tokens.ts";
import type { IndexEntry } from "./catalog.ts";
import { columnOf, type Matches, matches, type MatchQuery } from "./match.ts";
import type { ResultPages } from "./pages.ts";
import { columnsOf } from "./schema.ts";

/** Most values of a facet. */
const maxFacetValues = 100;

/** Answers a query from one state of the file. Later pages go by the definition that the list was asked under (law F13). */
export function search(file: SqliteFile, pages: ResultPages, entry: IndexEntry, query: SearchQuery): SearchPage {
  const { text, filter, sort = [], facets = [], pageSize } = query;
  const identity = JSON.stringify([entry.number, text, filter === undefined ? "" : formatFilter(filter), sort]);
  const position = query.after === undefined ? undefined : decodePosition(query.after, identity);
  const list = position === undefined ? undefined : pages.load(entry.number, position.key);
  const definition = list?.definition ?? encodeDefinition(entry.definition);
  const asked = list === undefined ? entry : askedUnder(entry, list.definition);
  const match: MatchQuery = {
    text,
    filter: checkQuery(asked.definition, query),
    // Without words every document scores the same.
    sort: sort.length > 0 || text.trim() === "" ? sort : "score",
  };
  const found = list ?? matches(file, entry, match);
  const page = loadPage(file, entry, found, { offset: position?.offset ?? 0, pageSize });
  const { hits, nextOffset } = page;
  const key =
    nextOffset === undefined
      ? undefined
      : (position?.key ?? pages.save(entry.number, `${entry.generation} ${identity}`, { ...found, definition }));
  return {
    hits: query.highlight === true ? highlightAll(asked, hits, text) : hits,
    totalHits: found.rows.length,
    totalExact: true,
    facets: new Map(facets.map((name) => [name, countValues(file, { entry, asked }, name, found)])),
    ...(key === undefined || nextOffset === undefined
      ? {}
      : { next: encodePageToken({ key, offset: nextOffset }, identity) }),
  };
}

/** The index as it was by another definition. */
function askedUnder(entry: IndexEntry, text: string): IndexEntry {
  const definition = decodeDefinition(text);
  return { ...entry, definition, columns: columnsOf(definition) };
}

function decodePosition(token: string, identity: string): { readonly key: string; readonly offset: number } {
  const { key, offset } = decodePageToken(token, identity);
  if (typeof key !== "string" || typeof offset !== "number" || !Number.isSafeInteger(offset) || offset < 0) {
    throw invalidPageToken();
  }
  return { key, offset };
}

/** The documents from `offset` on that are still there. */
function loadPage(
  file: SqliteFile,
  { number }: IndexEntry,
  { rows, scores }: Matches,
  { offset, pageSize }: { readonly offset: number; readonly pageSize: number },
): { readonly hits: readonly SearchHit[]; readonly nextOffset: number | undefined } {
  const hits: SearchHit[] = [];
  let at = offset;
  for (; at < rows.length && hits.length < pageSize; at += 1) {
    const found = file.get<{ id: string; document: string }>(
      `SELECT d.id, b.document FROM doc_${number} d JOIN body_${number} b ON b.row = d.row WHERE d.row = ?`,
      rows[at] ?? 0,
    );
    if (found === undefined) continue;
    const document = JSON.parse(found.document) as JsonObject;
    hits.push({ id: found.id, score: scores?.[at] ?? 0, document, highlights: new Map() });
  }
  return { hits, nextOffset: at < rows.length ? at : undefined };
}

function highlightAll(entry: IndexEntry, hits: readonly SearchHit[], text: string): readonly SearchHit[] {
  const query = parseQuery(text);
  return query.length === 0 ? hits : hits.map((hit) => highlight(entry, hit, query));
}

function highlight(entry: IndexEntry, hit: SearchHit, query: TextQuery): SearchHit {
  const analysis = analysisOf(documentLanguage(entry.definition, hit.document));
  const highlights = new Map<string, readonly string[]>();
  for (const { name, type, text } of entry.columns) {
    if (text === undefined) continue;
    const found = fieldValues(hit.document, name, type).flatMap((value) => excerptsFor(String(value), query, analysis));
    if (found.length > 0) highlights.set(name, found);
  }
  return { ...hit, highlights };
}

/** Counts over all hits (law F8). */
function countValues(
  file: SqliteFile,
  { entry, asked }: { readonly entry: IndexEntry; readonly asked: IndexEntry },
  name: string,
  { rows }: Matches,
): readonly { readonly value: string | number | boolean; readonly count: number }[] {
  const { type } = columnOf(asked, name);
  const column = entry.columns.find((one) => one.name === name && one.type.kind === type.kind);
  const values = `value_${entry.number}`;
  const order = `ORDER BY count DESC, value LIMIT ${maxFacetValues}`;
  const list = JSON.stringify(rows);
  type Count = { readonly value: string | number; readonly count: number };
  const field = column?.number ?? 0;
  const counts =
    column === undefined
      ? // The index no longer has the field; the documents do.
        file.all<Count>(
          `SELECT item.value AS value, count(DISTINCT b.row) AS count FROM json_each(?) hit
           CROSS JOIN body_${entry.number} b ON b.row = hit.value CROSS JOIN json_each(b.document, ?) item
           WHERE item.atom IS NOT NULL GROUP BY item.value ${order}`,
          list,
          `$.${JSON.stringify(name)}`,
        )
      : rows.length === entry.documentCount
        ? file.all<Count>(
            `SELECT value, count(*) AS count FROM ${values} WHERE field = ? GROUP BY value ${order}`,
            field,
          )
        : rows.length * 4 > entry.documentCount
          ? // Many hits: walk over all values of the field, which lie together in order.
            file.all<Count>(
              `SELECT value, count(*) AS count FROM ${values}
             WHERE field = ? AND +row IN (SELECT value FROM json_each(?)) GROUP BY value ${order}`,
              field,
              list,
            )
          : file.all<Count>(
              `SELECT v.value AS value, count(*) AS count FROM json_each(?) hit
             CROSS JOIN ${values} v ON v.row = hit.value AND v.field = ? GROUP BY v.value ${order}`,
              list,
              field,
            );
  return counts.map(({ value, count }) => ({ value: type.kind === "boolean" ? value === 1 : value, count }));
}
