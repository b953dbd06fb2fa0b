import { describeFaults, openProxy } from "@weft/kit/testing";
import { lockOperations } from "@weft/lock/conformance";
import { describeBackend } from "@weft/native/testing";
import { faultyServer, ownNamespace } from "@weft/redis/testing";
import { openRedisLocks } from "./index.ts";

describeBackend("redis", (server) => {
  describeFaults("redis locks, faults", lockOperations, async () => {
    const stack = new AsyncDisposableStack();
    const proxy = stack.use(await openProxy(server().port));
    const url = ownNamespace(`redis://127.0.0.1:${proxy.port}`);
    const block = stack.use(await openRedisLocks({ url }));
    return { block, proxy, server: faultyServer(server()), [Symbol.asyncDispose]: () => stack.disposeAsync() };
  });
});
