import { Secret } from "@weft/kit";
import { describeFaults, type FaultyServer, openProxy } from "@weft/kit/testing";
import type { NativeServer } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { openRedis } from "@weft/redis";
import { stateOperations } from "@weft/state/conformance";
import { ownNamespace } from "./fixture.ts";
import { openRedisState } from "./state.ts";

describeBackend("redis", (server) => {
  describeFaults("redis state, faults", stateOperations, async () => {
    const stack = new AsyncDisposableStack();
    const proxy = stack.use(await openProxy(server().port));
    const url = ownNamespace(`redis://127.0.0.1:${proxy.port}`);
    const block = stack.use(await openRedisState({ url, name: "test" }));
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
