import type { ServiceHost, ServiceParts } from "@weft/service";
import { searchService } from "./rpc/search-service.ts";
import type { SearchConfig } from "./settings.ts";

type Host = Pick<ServiceHost<SearchConfig>, "blocks" | "readiness">;

/** The search service out of its building blocks. */
export async function compose({ blocks, readiness }: Host): Promise<ServiceParts> {
  const engine = await blocks.search();
  readiness("search", async () => void (await engine.listIndexes()));
  return { services: [searchService(engine)] };
}
