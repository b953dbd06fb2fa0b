import { describeFaults, openProxy } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { faultyServer, ownNamespace } from "@weft/redis/testing";
import { stateOperations } from "@weft/state/conformance";
import { openRedisState } from "./state.ts";

describeBackend("redis", (server) => {
  describeFaults("redis state, faults", stateOperations, async () => {
    const stack = new AsyncDisposableStack();
    const proxy = stack.use(await openProxy(server().port));
    const url = ownNamespace(`redis://127.0.0.1:${proxy.port}`);
    const block = stack.use(await openRedisState({ url, name: "test" }));
    return { block, proxy, server: faultyServer(server()), [Symbol.asyncDispose]: () => stack.disposeAsync() };
  });
});
