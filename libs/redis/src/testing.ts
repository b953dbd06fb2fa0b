import { newUuid, Secret } from "@weft/kit";
import type { FaultyServer } from "@weft/kit/testing";
import { openRedis } from "./client.ts";

/** A server's URL with a namespace that nobody else has: for one test. */
export function ownNamespace(server: string): Secret {
  return new Secret(`${server}${server.includes("?") ? "&" : "?"}namespace=t${newUuid().slice(-12)}`);
}

/** A server as the fault tests want it: it is full when it may use a byte of memory. */
export function faultyServer(server: Omit<FaultyServer, "fill"> & { readonly url: string }): FaultyServer {
  const limitMemory = async (limit: string): Promise<void> => {
    await using redis = await openRedis({ url: new Secret(server.url) });
    await redis.call("config", ["set", "maxmemory", limit]);
  };
  return {
    kill: () => server.kill(),
    start: () => server.start(),
    fill: async () => {
      await limitMemory("1");
      return { empty: () => limitMemory("0") };
    },
  };
}
