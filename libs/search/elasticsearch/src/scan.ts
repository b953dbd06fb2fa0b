import { isWeftError, type JsonObject, type JsonValue, throwIfAborted, WeftError } from "@weft/kit";
import type { SearchQuery } from "@weft/search";
import type { IndexEntry } from "./catalog.ts";
import { matchQuery, type SearchAnswer } from "./search.ts";
import type { Server } from "./server.ts";
import { closePointInTime, openPointInTime, pointInTime } from "./snapshots.ts";

/** Documents read at a time. */
const sliceSize = 500;

/** A state of an index, which the scan of it closes. */
export interface Begun {
  readonly id: string;
  readonly matching: object;
}

/** Takes the state in which the index is; undefined for a query that no document matches. */
export async function beginScan(
  server: Server,
  { definition, target }: IndexEntry,
  query: Pick<SearchQuery, "text" | "filter">,
  signal: AbortSignal,
): Promise<Begun | undefined> {
  const matching = matchQuery(definition, query);
  return matching && { id: await openPointInTime(server, target, signal), matching };
}

/** Every matching document of that state, in order of id (law F12). */
export async function* scan(
  server: Server,
  { id, matching }: Begun,
  signal: AbortSignal,
): AsyncGenerator<JsonObject, void, undefined> {
  try {
    let after: readonly JsonValue[] | undefined;
    do {
      const slice: SearchAnswer["hits"]["hits"] = await readSlice(server, { id, matching, after, signal });
      for (const { _source } of slice) {
        throwIfAborted(signal);
        yield _source?.document ?? {};
      }
      after = slice.length < sliceSize ? undefined : slice.at(-1)?.sort;
    } while (after !== undefined);
  } finally {
    await closePointInTime(server, id);
  }
}

interface Slice extends Begun {
  readonly after: readonly JsonValue[] | undefined;
  readonly signal: AbortSignal;
}

async function readSlice(
  server: Server,
  { id, matching, after, signal }: Slice,
): Promise<SearchAnswer["hits"]["hits"]> {
  try {
    const { hits } = await server.request<SearchAnswer>({
      method: "POST",
      path: "/_search",
      query: { allow_partial_search_results: false },
      body: {
        pit: pointInTime(id),
        query: matching,
        size: sliceSize,
        sort: [{ id: "asc" }],
        track_total_hits: false,
        _source: ["document"],
        ...(after === undefined ? {} : { search_after: after }),
      },
      kind: "read",
      signal,
    });
    return hits.hits;
  } catch (error) {
    if (!isWeftError(error, "INVALID_PAGE_TOKEN")) throw error;
    // Elasticsearch was started anew, or the reader took too long over a slice.
    throw new WeftError("UNAVAILABLE", "Elasticsearch no longer has the state that is being read", { cause: error });
  }
}
