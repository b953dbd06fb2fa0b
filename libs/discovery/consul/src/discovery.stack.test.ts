import { join } from "node:path";
import { openTestNamespace } from "@weft/consul/testing";
import { describeDiscoveryConformance, type DiscoveryFixture } from "@weft/discovery/conformance";
import { Secret } from "@weft/kit";
import { startProcess } from "@weft/kit/testing";
import type { NativeServer } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { openConsulDiscovery } from "./index.ts";

describeBackend("consul", (server) => {
  describeDiscoveryConformance("consul", () => openFixture(server()));
});

async function openFixture(server: NativeServer): Promise<DiscoveryFixture> {
  const stack = new AsyncDisposableStack();
  const { url, cut } = stack.use(await openTestNamespace(server.port));
  return {
    open: async () => stack.use(await openConsulDiscovery({ url: new Secret(url) })),
    registerElsewhere: async (instance, options) =>
      stack.use(
        await startProcess(`
          import { Secret } from "@weft/kit";
          import { openConsulDiscovery } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
          const discovery = await openConsulDiscovery({ url: new Secret(${JSON.stringify(url)}) });
          await discovery.register(${JSON.stringify(instance)}, ${JSON.stringify(options ?? {})});
        `),
      ),
    cut,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
