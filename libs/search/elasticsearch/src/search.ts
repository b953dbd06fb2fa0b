import { decodePageToken, encodePageToken, formatFilter, invalidPageToken } from "@weft/filter";
import type { JsonObject, JsonValue } from "@weft/kit";
import { checkQuery, type IndexDefinition, type SearchHit, type SearchPage, type SearchQuery } from "@weft/search";
import { entryOfPage, type IndexEntry, live as isLive } from "./catalog.ts";
import { filterQuery } from "./filter-query.ts";
import { highlightRequest, readHighlights } from "./highlight.ts";
import { valuePath, wordFields } from "./mapping.ts";
import type { Server } from "./server.ts";
import { pointInTime, type Snapshots } from "./snapshots.ts";
import { type Stored, storedId } from "./stored.ts";
import { wordsQuery } from "./words-query.ts";

/** Most values of a facet. */
const maxFacetValues = 100;
/** Values that each shard counts, so that the sum over several is right. */
const shardFacetValues = 2000;
/** Most hits that Elasticsearch gives at once. */
const maxPageSize = 10_000;
/** What a query that names a whole keyword exactly is worth. */
const exactKeywordBoost = 10;
/** Sorts after every value, and comes back from JSON as it was, unlike Elasticsearch's own 2^63-1. */
const lastInteger = 2 ** 54;

export interface SearchAnswer {
  readonly hits: {
    readonly total?: { readonly value: number };
    readonly hits: readonly {
      readonly _score: number | null;
      readonly _source?: Stored & { readonly id?: string };
      readonly sort?: readonly JsonValue[];
      readonly highlight?: Readonly<Record<string, readonly string[]>>;
    }[];
  };
  readonly aggregations?: Readonly<
    Record<string, { readonly buckets: readonly { readonly key: string | number; readonly doc_count: number }[] }>
  >;
}

/** Where a page begins. */
interface Position {
  /** The index that was searched. */
  readonly target: string;
  readonly snapshot: string;
  readonly after: readonly JsonValue[];
  /** Hits before it. */
  readonly seen: number;
}

/** The documents that match; undefined for a text of signs alone, which none does. */
export function matchQuery(
  definition: IndexDefinition,
  query: Pick<SearchQuery, "text" | "filter">,
): object | undefined {
  const filter = checkQuery(definition, query);
  const filters = [isLive, ...(filter === undefined ? [] : [filterQuery(definition, filter)])];
  if (query.text.trim() === "") return { bool: { filter: filters } };
  const words = wordsQuery(definition, query.text);
  if (words === undefined) return undefined;
  const exact = wordFields(definition)
    .filter(([, type]) => type.kind === "keyword")
    .map(([name]) => ({
      term: { [valuePath(name)]: { value: query.text.trim(), case_insensitive: true, boost: exactKeywordBoost } },
    }));
  return { bool: { must: [words], filter: filters, should: exact } };
}

/** A query and the signal that ends it. */
export type Asked<Query> = Query & { readonly signal: AbortSignal | undefined };

/** Answers a query from one state of the index. */
export async function search(
  server: Server,
  snapshots: Snapshots,
  live: IndexEntry,
  query: Asked<SearchQuery>,
): Promise<SearchPage> {
  const { alias, createTime } = live;
  const { text, filter, sort = [], facets = [], signal } = query;
  const identity = JSON.stringify([alias, createTime, text, filter === undefined ? "" : formatFilter(filter), sort]);
  const position = query.after === undefined ? undefined : decodePosition(query.after, identity);
  const entry = position === undefined ? live : await entryOfPage(server, live, { target: position.target, signal });
  const { definition } = entry;
  checkQuery(definition, query);
  const matching = matchQuery(definition, query);
  if (matching === undefined) {
    return { hits: [], totalHits: 0, totalExact: true, facets: new Map(facets.map((name) => [name, []])) };
  }
  const snapshot = position === undefined ? await snapshots.take(entry, signal) : snapshots.use(position.snapshot);
  let next: string | undefined;
  try {
    const highlight = query.highlight === true ? highlightRequest(definition) : undefined;
    const byScore = sort.length === 0 && text.trim() !== "";
    const { hits, aggregations } = await server.request<SearchAnswer>({
      method: "POST",
      path: "/_search",
      query: { allow_partial_search_results: false },
      body: {
        pit: pointInTime(snapshot.id),
        query: matching,
        size: Math.max(1, Math.min(maxPageSize, query.pageSize)),
        sort: [...(byScore ? [{ _score: "desc" }] : sort.map((key) => sortKey(definition, key))), { id: "asc" }],
        track_scores: text.trim() !== "",
        track_total_hits: true,
        _source: ["id", "document"],
        ...(position === undefined ? {} : { search_after: position.after }),
        ...(highlight === undefined ? {} : { highlight: highlight.body }),
        ...(facets.length === 0 ? {} : { aggs: Object.fromEntries(facets.map((name) => [name, facetRequest(name)])) }),
      },
      kind: "read",
      signal,
    });
    const totalHits = hits.total?.value ?? 0;
    const seen = (position?.seen ?? 0) + hits.hits.length;
    const last = hits.hits.at(-1)?.sort;
    if (seen < totalHits && last !== undefined) {
      next = encodePageToken({ target: entry.target, snapshot: snapshot.id, after: last, seen }, identity);
    }
    const found = hits.hits.map(({ _score, _source, highlight: marked = {} }): SearchHit => {
      const document = _source?.document ?? {};
      const highlights =
        highlight === undefined ? new Map() : readHighlights(definition, document, marked, highlight.mark);
      return { id: _source?.id ?? "", score: _score ?? 0, document, highlights };
    });
    return {
      // A state of some time ago also holds what has been deleted since.
      hits: position === undefined ? found : await stillThere(server, alias, { hits: found, signal }),
      totalHits,
      totalExact: true,
      facets: new Map(facets.map((name) => [name, readFacet(definition, name, aggregations)])),
      ...(next === undefined ? {} : { next }),
    };
  } finally {
    snapshot.release(next !== undefined);
  }
}

function decodePosition(token: string, identity: string): Position {
  const { target, snapshot, after, seen } = decodePageToken(token, identity);
  if (typeof target !== "string" || typeof snapshot !== "string") throw invalidPageToken();
  if (!isList(after) || typeof seen !== "number") throw invalidPageToken();
  return { target, snapshot, after, seen };
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Of a list the smallest value counts going up and the largest going down: Elasticsearch's own rule. */
function sortKey(
  definition: IndexDefinition,
  { field, descending }: { readonly field: string; readonly descending: boolean },
): object {
  const type = definition.fields.get(field)?.kind;
  const last = type === "number" ? Number.MAX_VALUE : lastInteger;
  const missing = type === "text" || type === "keyword" ? "_last" : descending ? -last : last;
  return { [valuePath(field)]: { order: descending ? "desc" : "asc", missing } };
}

function facetRequest(name: string): object {
  return {
    terms: {
      field: valuePath(name),
      size: maxFacetValues,
      shard_size: shardFacetValues,
      order: [{ _count: "desc" }, { _key: "asc" }],
    },
  };
}

function readFacet(
  definition: IndexDefinition,
  name: string,
  aggregations: SearchAnswer["aggregations"],
): readonly { readonly value: string | number | boolean; readonly count: number }[] {
  const boolean = definition.fields.get(name)?.kind === "boolean";
  const buckets = aggregations?.[name]?.buckets ?? [];
  return buckets.map(({ key, doc_count: count }) => ({ value: boolean ? key === 1 : key, count }));
}

interface Documents {
  readonly docs: readonly { readonly found?: boolean; readonly _source?: Stored }[];
}

async function stillThere(
  server: Server,
  alias: string,
  { hits, signal }: Asked<{ readonly hits: readonly SearchHit[] }>,
): Promise<readonly SearchHit[]> {
  if (hits.length === 0) return hits;
  const { docs } = await server.request<Documents>({
    method: "POST",
    path: `/${alias}/_mget`,
    query: { _source_includes: "live" },
    body: { ids: hits.map(({ id }) => storedId(id)) },
    kind: "read",
    signal,
  });
  return hits.filter((_, at) => docs[at]?._source?.live === true);
}

/** The document as it is at this moment, also when no search sees it yet; undefined where there is none. */
export async function readDocument(server: Server, alias: string, id: string): Promise<JsonObject | undefined> {
  const { docs } = await server.request<Documents>({
    method: "POST",
    // Not by the path: an id may be `..`.
    path: `/${alias}/_mget`,
    query: { _source_includes: "live,document" },
    body: { ids: [storedId(id)] },
    kind: "read",
  });
  const stored = docs[0]?._source;
  return stored?.live === true ? stored.document : undefined;
}
