import { openPubSub, openSearch, openState } from "@weft/blocks";
import { readUserEvent, userTopic } from "@weft/contracts/event";
import type { CloudEvent } from "@weft/pubsub";
import { markChanges } from "@weft/search-cache";
import { follow, type ServiceHost, type ServiceParts } from "@weft/service";
import { mergeWrites } from "./app/merge-writes.ts";
import { takeIn } from "./app/user-events.ts";
import { usersIndex } from "./domain/users-index.ts";
import { indexerService } from "./rpc/indexer-service.ts";
import type { IndexerConfig } from "./settings.ts";

const group = "indexer";

type Host = Pick<
  ServiceHost<IndexerConfig>,
  "config" | "blocks" | "clock" | "log" | "stack" | "background" | "readiness"
>;

/** The indexer out of its building blocks. */
export async function compose(host: Host): Promise<ServiceParts> {
  const { config, blocks, clock, log, stack, background, readiness } = host;
  const [unmarked, pubsub] = await Promise.all([openSearch(blocks), openPubSub(blocks)]);
  // The cache of the search service is to hide no change.
  const store = () => openState(blocks, "search-cache");
  const engine = stack.use(markChanges(unmarked, { store, log, clock }));
  await engine.createIndex(usersIndex);
  const merged = mergeWrites(engine);
  const handle = async (event: CloudEvent): Promise<void> => {
    const told = readUserEvent(event);
    if (told !== undefined) await takeIn(merged, told);
  };
  background("events", (signal) => follow({ pubsub, topic: userTopic, group, handle, log, clock }, signal));
  readiness("search", async () => void (await engine.getIndex(usersIndex.index)));
  const { bulkBatch: batchSize, bulkAttempts: attempts } = config;
  return { services: [indexerService({ engine, clock, bulk: { batchSize, attempts } })] };
}
