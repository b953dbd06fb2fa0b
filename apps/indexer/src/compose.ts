import type { ServiceHost, ServiceParts } from "@weft/service";
import { followUsers } from "./app/user-events.ts";
import { usersIndex } from "./domain/users-index.ts";
import { indexerService } from "./rpc/indexer-service.ts";

type Host = Pick<ServiceHost<unknown>, "blocks" | "clock" | "background" | "readiness">;

/** The indexer out of its building blocks. */
export async function compose({ blocks, clock, background, readiness }: Host): Promise<ServiceParts> {
  const [engine, pubsub] = await Promise.all([blocks.search(), blocks.pubsub()]);
  await engine.createIndex(usersIndex);
  background("user events", (signal) => followUsers(engine, pubsub, signal));
  readiness("search", async () => void (await engine.listIndexes()));
  return { services: [indexerService({ engine, clock })] };
}
