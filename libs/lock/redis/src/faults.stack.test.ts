import { Secret } from "@weft/kit";
import { describeFaults, type FaultyServer, openProxy } from "@weft/kit/testing";
import { lockOperations } from "@weft/lock/conformance";
import type { NativeServer } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { openRedis } from "@weft/redis";
import { openRedisLocks } from "./index.ts";

describeBackend("redis", (server) => {
  describeFaults("redis locks, faults", lockOperations, async () => {
    const stack = new AsyncDisposableStack();
    const proxy = stack.use(await openProxy(server().port));
    const block = stack.use(await openRedisLocks({ url: new Secret(`redis://127.0.0.1:${proxy.port}`) }));
    return { block, proxy, server: faulty(server()), [Symbol.asyncDispose]: () => stack.disposeAsync() };
  });
});

function faulty(server: NativeServer): FaultyServer {
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
