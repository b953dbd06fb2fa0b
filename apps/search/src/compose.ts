import { openSearch, openState } from "@weft/blocks";
import { cacheAnswers } from "@weft/search-cache";
import type { ServiceHost, ServiceParts } from "@weft/service";
import { attributes, metricNames } from "@weft/telemetry";
import { searchService } from "./rpc/search-service.ts";
import type { SearchConfig } from "./settings.ts";

type Host = Pick<
  ServiceHost<SearchConfig>,
  "service" | "config" | "blocks" | "readiness" | "metrics" | "onDecision" | "log" | "clock"
>;

/** The search service out of its building blocks. */
export async function compose(host: Host): Promise<ServiceParts> {
  const { config, blocks, readiness, metrics, log, clock } = host;
  const engine = await openSearch(blocks);
  readiness("search", async () => void (await engine.listIndexes()));
  if (config.cacheMs === 0) return { services: [searchService(engine, host)] };
  const count = metrics.counter(metricNames.searchCacheRequests, [attributes.outcome]);
  const cached = cacheAnswers(engine, {
    store: () => openState(blocks, "search-cache"),
    ttlMs: config.cacheMs,
    onOutcome: (outcome) => count(1, { [attributes.outcome]: outcome }),
    log,
    clock,
  });
  return { services: [searchService(cached, host)] };
}
