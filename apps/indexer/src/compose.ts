import { type Blocks, openLocks, openPubSub, openSearch, openState } from "@weft/blocks";
import { readUserEvent, userTopic } from "@weft/contracts/event";
import { type Locks, runAsLeader } from "@weft/lock";
import type { CloudEvent } from "@weft/pubsub";
import { eventsService } from "@weft/pubsub-admin";
import { markChanges } from "@weft/search-cache";
import { openPipeline } from "@weft/search-pipeline";
import { follow, type ServiceHost, type ServiceParts } from "@weft/service";
import { runOperations } from "./app/run-operations.ts";
import { takeIn } from "./app/user-events.ts";
import { ensureUsersIndex } from "./app/users-index.ts";
import { usersIndex } from "./domain/users-index.ts";
import { indexerService } from "./rpc/indexer-service.ts";
import type { IndexerConfig } from "./settings.ts";
import { Operations } from "./store/operations.ts";

const group = "indexer";

type Host = Pick<
  ServiceHost<IndexerConfig>,
  "config" | "blocks" | "clock" | "newId" | "log" | "stack" | "background" | "readiness"
>;

/** The indexer out of its building blocks. */
export async function compose(host: Host): Promise<ServiceParts> {
  const { config, blocks, clock, newId, log, stack, background, readiness } = host;
  const [unmarked, pubsub] = await Promise.all([openSearch(blocks), openPubSub(blocks)]);
  // The cache of the search service is to hide no change.
  const store = () => openState(blocks, "search-cache");
  const engine = stack.use(markChanges(unmarked, { store, log, clock }));
  await ensureUsersIndex(engine);
  // What comes while a request is under way goes together in the next, as a database commits in groups: an engine that
  // takes its time is asked seldom, and a quick one is not waited for. What fails is tried again by who reads the events.
  const writes = openPipeline({ engine, index: usersIndex.index, flushMs: 0, maxParallel: 1, attempts: 1, clock, log });
  stack.use(writes);
  const handle = async (event: CloudEvent): Promise<void> => {
    const told = readUserEvent(event);
    if (told !== undefined) await takeIn({ apply: (_, changes) => writes.write(changes) }, told);
  };
  background("events", (signal) => follow({ pubsub, topic: userTopic, group, handle, log, clock }, signal));
  const reindexing = { engine, operations: new Operations(() => openState(blocks, "indexer")), clock, newId, log };
  background("operations", (signal) => {
    const work = (_: unknown, leading: AbortSignal): Promise<void> => runOperations(reindexing, leading);
    return runAsLeader(locksOf(blocks), "indexer-operations", work, { signal, clock, log });
  });
  readiness("search", async () => void (await engine.getIndex(usersIndex.index)));
  const { bulkBatch: batchSize, bulkAttempts: attempts } = config;
  return {
    services: [indexerService({ ...reindexing, bulk: { batchSize, attempts } }), eventsService({ pubsub, log })],
  };
}

/** Opened when they are first needed: the indexer starts without them. */
function locksOf(blocks: Blocks): Locks {
  return {
    acquire: async (name, options) => (await openLocks(blocks)).acquire(name, options),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
