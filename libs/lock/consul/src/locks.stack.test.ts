import { join } from "node:path";
import { openTestNamespace } from "@weft/consul/testing";
import { Secret } from "@weft/kit";
import { startProcess } from "@weft/kit/testing";
import { describeLockConformance, type LockFixture } from "@weft/lock/conformance";
import type { NativeServer } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { openConsulLocks } from "./index.ts";

describeBackend("consul", (server) => {
  describeLockConformance("consul", () => openFixture(server()));
});

async function openFixture(server: NativeServer): Promise<LockFixture> {
  const stack = new AsyncDisposableStack();
  const { url, cut } = stack.use(await openTestNamespace(server.port));
  return {
    open: async () => stack.use(await openConsulLocks({ url: new Secret(url) })),
    acquireElsewhere: async (name, options) =>
      stack.use(
        await startProcess(`
          import { Secret } from "@weft/kit";
          import { openConsulLocks } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
          const locks = await openConsulLocks({ url: new Secret(${JSON.stringify(url)}) });
          const lease = await locks.acquire(${JSON.stringify(name)}, ${JSON.stringify(options ?? {})});
          if (lease === undefined) throw new Error("the lock is held");
        `),
      ),
    cut,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
