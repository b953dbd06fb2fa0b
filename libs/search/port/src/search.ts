import type { Filter } from "@weft/filter";
import type { JsonObject, Reason } from "@weft/kit";
import type { IndexDefinition, IndexInfo } from "./definition.ts";
import type { ReindexOptions } from "./reindex.ts";

/** A change of one document. */
export type DocumentChange =
  | {
      readonly kind: "put";
      readonly id: string;
      /** Version of the owner (external version). Unset: the next after the stored one. */
      readonly version?: bigint;
      readonly document: JsonObject;
    }
  | { readonly kind: "delete"; readonly id: string; readonly version?: bigint };

/** What became of one change. `superseded`: a newer version is stored, which is a success of that one. */
export type ChangeResult =
  | { readonly outcome: "applied" | "superseded" }
  | { readonly outcome: "failed"; readonly reason: Reason; readonly detail: string };

export interface SearchQuery {
  /** Words, all of which must match; "quoted" ones as a phrase; at most 100, more are `INVALID_ARGUMENT`. Empty matches every document. */
  readonly text: string;
  readonly filter?: Filter;
  /** Names of fields to count values of, over all hits. At most 100 values each, most frequent first, then by value. */
  readonly facets?: readonly string[];
  /** Default: by score, then id. Always made total by the id. Of a list the smallest value counts going up, the largest going down; documents without a value come last. */
  readonly sort?: readonly { readonly field: string; readonly descending: boolean }[];
  readonly pageSize: number;
  /** `next` of the page before, of the same query. `INVALID_PAGE_TOKEN` for any other text. */
  readonly after?: string;
  readonly highlight?: boolean;
}

/** What somebody has typed so far, and how many completions they want at most. */
export interface SuggestQuery {
  readonly prefix: string;
  readonly limit: number;
}

export interface SearchHit {
  readonly id: string;
  readonly score: number;
  readonly document: JsonObject;
  /** Excerpts by field, HTML-escaped, matches in <em>. */
  readonly highlights: ReadonlyMap<string, readonly string[]>;
}

export interface SearchPage {
  readonly hits: readonly SearchHit[];
  readonly totalHits: number;
  readonly totalExact: boolean;
  readonly facets: ReadonlyMap<
    string,
    readonly { readonly value: string | number | boolean; readonly count: number }[]
  >;
  /** Unset on the last page. */
  readonly next?: string;
}

/**
 * Building block: full-text search over JSON documents in English, German, Japanese and Chinese (others by words).
 *
 * Laws:
 * - `F1` A change whose `apply` resolved is found by searches of every process from then on, at the latest 1 s later.
 * - `F2` A change with a version at or below the stored one, a deletion's included, changes nothing and is `superseded`.
 * - `F3` Each change has its own result, in order; a bad document (wrong type of a field, missing id) fails alone.
 * - `F4` Pages of one query, put together, are each document that matched when the first was read, once, also while others write; one deleted meanwhile may be left out.
 * - `F5` All words must match; matching ignores case, diacritics' composition, and inflection in English and German; Japanese and Chinese match by words without spaces.
 * - `F6` A filter means what AIP-160 says; on a list it holds if one value does. An unknown field or a wrong type is `INVALID_FILTER`.
 * - `F7` An index keeps its definition, the order of the fields included. `createIndex` of an existing one: the same again, in whatever order, succeeds; another one is `ALREADY_EXISTS`.
 * - `F8` Facet counts are over all hits, not over the page.
 * - `F9` Excerpts are HTML-escaped; only <em> and </em> are markup.
 * - `F10` What is not there is `NOT_FOUND`: an index for every call but create, delete included; a document for get.
 * - `F11` Suggestions are values of suggest fields that start with the prefix, or have a word that does, ignoring case; each text once; none for a blank prefix.
 * - `F12` A scan gives every matching document as it was when the scan began, in order of id.
 * - `F13` A reindex takes effect as a whole or not at all. Readers and writers notice nothing of it: searches, their later pages and scans go on; whatever was acknowledged before, during or after is there at its highest version, deletions too (`F2`). One that rejects, or whose process dies, leaves the index as it was. Of several at once the last to begin goes on, the others are `CONFLICT`.
 * - `F14` Aborting the signal of a search or of suggestions ends them with its reason, and ends the engine's work for them where it can be ended. Whoever asks the same at the same time notices nothing.
 */
export interface SearchEngine extends AsyncDisposable {
  createIndex(definition: IndexDefinition): Promise<IndexInfo>;
  getIndex(index: string): Promise<IndexInfo>;
  /** Sorted by name. */
  listIndexes(): Promise<readonly IndexInfo[]>;
  deleteIndex(index: string): Promise<void>;
  /**
   * Builds the index anew, under another definition where one is given, and puts it in the place of the live one; its
   * `createTime` stays. A definition of another index or with another `idField` is `INVALID_ARGUMENT`. Documents that do
   * not fit it end the reindex with `FAILED_PRECONDITION`, whose violations name the first 100. Aborting the signal ends
   * it with its reason.
   */
  reindex(index: string, options?: ReindexOptions): Promise<IndexInfo>;
  /** At most 5,000 changes (`PAYLOAD_TOO_LARGE`); 64 MiB together is what every engine takes. When it rejects, any of them may have been applied. */
  apply(index: string, changes: readonly DocumentChange[]): Promise<readonly ChangeResult[]>;
  /**
   * Only of engines that have settings to relax. While one of its handles is open the engine may save work that makes a
   * bulk load slower, and all laws hold as ever. The last handle to be disposed puts back what was there before, and for
   * a process that dies another one does. Disposing rejects when that failed, which is done later then.
   */
  bulkLoad?(index: string): Promise<AsyncDisposable>;
  getDocument(index: string, id: string): Promise<JsonObject>;
  search(index: string, query: SearchQuery, signal?: AbortSignal): Promise<SearchPage>;
  suggest(
    index: string,
    query: SuggestQuery,
    signal?: AbortSignal,
  ): Promise<readonly { readonly text: string; readonly id: string }[]>;
  /** Aborting the signal ends it with its reason. */
  scan(index: string, query: Pick<SearchQuery, "text" | "filter">, signal: AbortSignal): AsyncIterable<JsonObject>;
}
