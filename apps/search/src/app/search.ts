import { pageSize, parseFilter, parseOrderBy } from "@weft/filter";
import { isWeftError, throwIfAborted } from "@weft/kit";
import type { SearchEngine, SearchPage } from "@weft/search";

/** What a caller asks of an index, as the contract has it. */
export interface SearchInput {
  readonly index: string;
  readonly q: string;
  /** AIP-160. */
  readonly filter: string;
  /** Field names; each may be several, separated by commas. */
  readonly facets: readonly string[];
  readonly sort: string;
  readonly pageSize: number;
  readonly pageToken: string;
  readonly highlight: boolean;
}

/** What a caller asks, and where if that fails. */
export interface SearchWithFallback extends SearchInput {
  /** Empty for none. */
  readonly fallbackIndex: string;
}

const pageLimits = { default: 20, max: 200 };

/** One page of what matches. A page token is the engine's own, good for the query that it was given for alone. */
export async function search(engine: SearchEngine, input: SearchInput, signal?: AbortSignal): Promise<SearchPage> {
  const { index, q, filter, highlight } = input;
  const facets = input.facets.flatMap((names) => names.split(",")).map((name) => name.trim());
  const query = {
    text: q,
    pageSize: pageSize(input.pageSize, pageLimits),
    facets: facets.filter((name) => name !== ""),
    highlight,
    ...(filter.trim() === "" ? {} : { filter: parseFilter(filter) }),
    ...(input.sort.trim() === "" ? {} : { sort: parseOrderBy(input.sort, await fieldsOf(engine, index)) }),
    ...(input.pageToken === "" ? {} : { after: input.pageToken }),
  };
  return engine.search(index, query, signal);
}

/**
 * As `search`; where the index can't answer (it is no mistake of the caller's), the first page of another one, which has
 * no further page: the next request asks `index` again, which would not know the token.
 */
export async function searchWithFallback(
  engine: SearchEngine,
  input: SearchWithFallback,
  signal?: AbortSignal,
): Promise<SearchPage & { readonly isFallback: boolean }> {
  try {
    return { ...(await search(engine, input, signal)), isFallback: false };
  } catch (error) {
    // Whose time is over needs no other index.
    throwIfAborted(signal);
    const isDown = isWeftError(error, "UNAVAILABLE", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED");
    if (!isDown || input.fallbackIndex === "" || input.pageToken !== "") throw error;
    const { next: _, ...page } = await search(engine, { ...input, index: input.fallbackIndex }, signal);
    return { ...page, isFallback: true };
  }
}

/**
 * What a caller asks without what costs the most: counts of values over all hits, and excerpts. The input itself where it
 * asks for neither.
 */
export function withoutExtras<Input extends SearchInput>(input: Input): Input {
  return input.facets.length === 0 && !input.highlight ? input : { ...input, facets: [], highlight: false };
}

async function fieldsOf(engine: SearchEngine, index: string): Promise<Iterable<string>> {
  const { definition } = await engine.getIndex(index);
  return definition.fields.keys();
}
