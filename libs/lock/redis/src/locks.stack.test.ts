import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Secret } from "@weft/kit";
import { openProxy, startProcess } from "@weft/kit/testing";
import { describeLockConformance, type LockFixture } from "@weft/lock/conformance";
import { describeBackend } from "@weft/native/testing";
import { openRedisLocks } from "./index.ts";

describeBackend("redis", (server) => {
  describeLockConformance("redis", () => openFixture(server().port));
});

async function openFixture(port: number): Promise<LockFixture> {
  const stack = new AsyncDisposableStack();
  const proxy = stack.use(await openProxy(port));
  const url = `redis://127.0.0.1:${proxy.port}?namespace=t${randomBytes(6).toString("hex")}`;
  return {
    open: async () => stack.use(await openRedisLocks({ url: new Secret(url) })),
    acquireElsewhere: async (name, options) =>
      stack.use(
        await startProcess(`
          import { Secret } from "@weft/kit";
          import { openRedisLocks } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
          const locks = await openRedisLocks({ url: new Secret(${JSON.stringify(url)}) });
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
