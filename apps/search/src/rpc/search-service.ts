import { contractOf } from "@weft/contracts";
import { SearchService } from "@weft/contracts/search";
import { implement, type ServiceImplementation } from "@weft/rpc";
import type { SearchEngine } from "@weft/search";
import type { ServiceHost } from "@weft/service";
import { exportDocuments } from "../app/export-documents.ts";
import { searchWithFallback, withoutExtras } from "../app/search.ts";
import { suggest } from "../app/suggest.ts";
import { toFacets, toHit } from "./convert.ts";

type Told = Pick<ServiceHost<unknown>, "service" | "onDecision">;

const { name: searchName } = contractOf(SearchService.method.search);

/** `weft.search.v1.SearchService` over the use cases; `onDecision` hears of each answer from another index. */
export function searchService(engine: SearchEngine, { service, onDecision }: Told): ServiceImplementation {
  return implement(SearchService, {
    search: async (request, context) => {
      const asked = context.degraded ? withoutExtras(request) : request;
      const page = await searchWithFallback(engine, asked, context.signal);
      const { hits, totalHits, totalExact, facets, next, isFallback } = page;
      if (isFallback) onDecision({ kind: "fallback", target: service, method: searchName, reason: "other index" });
      const degraded = isFallback || asked !== request;
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
    suggest: async (request, { signal }) => ({
      suggestions: (await suggest(engine, request, signal)).map(({ text, id }) => ({ text, id })),
    }),
    async *export(request, { signal }) {
      for await (const items of exportDocuments(engine, request, signal)) yield { items };
    },
  });
}
