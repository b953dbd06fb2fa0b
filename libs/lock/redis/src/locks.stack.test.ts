import { join } from "node:path";
import { openProxy, startProcess } from "@weft/kit/testing";
import { describeLockConformance, type LockFixture } from "@weft/lock/conformance";
import { describeBackend } from "@weft/native/testing";
import { ownNamespace } from "@weft/redis/testing";
import { openRedisLocks } from "./index.ts";

describeBackend("redis", (server) => {
  describeLockConformance("redis", () => openFixture(server().port));
});

async function openFixture(port: number): Promise<LockFixture> {
  const stack = new AsyncDisposableStack();
  const proxy = stack.use(await openProxy(port));
  const url = ownNamespace(`redis://127.0.0.1:${proxy.port}`);
  return {
    open: async () => stack.use(await openRedisLocks({ url })),
    acquireElsewhere: async (name, options) =>
      stack.use(
        await startProcess(`
          import { Secret } from "@weft/kit";
          import { openRedisLocks } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
          const locks = await openRedisLocks({ url: new Secret(${JSON.stringify(url.reveal())}) });
          const lease = await locks.acquire(${JSON.stringify(name)}, ${JSON.stringify(options ?? {})});
          if (lease === undefined) throw new Error("the lock is held");
        `),
      ),
    cut: async () => {
      await proxy.cut();
      return { restore: () => proxy.restore() };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
