import type { ConfigOf } from "@weft/kit";
import type { ServiceHost, ServiceParts } from "@weft/service";
import { followUsers } from "./app/user-events.ts";
import { usersIndex } from "./domain/users-index.ts";
import { indexerService } from "./rpc/indexer-service.ts";
import type { settings } from "./settings.ts";

type Host = Pick<ServiceHost<ConfigOf<typeof settings>>, "config" | "blocks" | "clock" | "background" | "readiness">;

/** The indexer out of its building blocks. */
export async function compose({ config, blocks, clock, background, readiness }: Host): Promise<ServiceParts> {
  const [engine, pubsub] = [await blocks.search(), await blocks.pubsub()];
  await engine.createIndex(usersIndex);
  background("users", (signal) => followUsers(engine, pubsub, signal));
  readiness("search", async () => void (await engine.getIndex(usersIndex.index)));
  const { bulkBatch: batchSize, bulkAttempts: attempts } = config;
  return { services: [indexerService({ engine, clock, bulk: { batchSize, attempts } })] };
}
