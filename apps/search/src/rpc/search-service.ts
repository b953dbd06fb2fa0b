import { SearchService } from "@weft/contracts/search";
import { implement, type ServiceImplementation } from "@weft/rpc";
import type { SearchEngine } from "@weft/search";
import { exportDocuments } from "../app/export-documents.ts";
import { searchWithFallback } from "../app/search.ts";
import { suggest } from "../app/suggest.ts";
import { toFacets, toHit } from "./convert.ts";

/** `weft.search.v1.SearchService` over the use cases. */
export function searchService(engine: SearchEngine): ServiceImplementation {
  return implement(SearchService, {
    search: async (request, context) => {
      const { hits, totalHits, totalExact, facets, next, degraded } = await searchWithFallback(engine, request);
      if (degraded) context.markDegraded({ kind: "partial", ageMs: 0 });
      return {
        hits: hits.map(toHit),
        totalHits,
        totalExact,
        facets: toFacets(facets),
        nextPageToken: next ?? "",
        degraded,
      };
    },
    suggest: async (request) => ({
      suggestions: (await suggest(engine, request)).map(({ text, id }) => ({ text, id })),
    }),
    async *export(request, { signal }) {
      for await (const items of exportDocuments(engine, request, signal)) yield { items };
    },
  });
}
