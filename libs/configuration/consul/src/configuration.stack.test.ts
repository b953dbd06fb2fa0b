import { join } from "node:path";
import { type ConfigurationFixture, describeConfigurationConformance } from "@weft/configuration/conformance";
import { openTestNamespace } from "@weft/consul/testing";
import { Secret } from "@weft/kit";
import { startProcess } from "@weft/kit/testing";
import type { NativeServer } from "@weft/native";
import { describeBackend } from "@weft/native/testing";
import { openConsulConfiguration } from "./index.ts";

describeBackend("consul", (server) => {
  describeConfigurationConformance("consul", () => openFixture(server()));
});

async function openFixture(server: NativeServer): Promise<ConfigurationFixture> {
  const stack = new AsyncDisposableStack();
  const { url, cut } = stack.use(await openTestNamespace(server.port));
  return {
    open: async () => stack.use(await openConsulConfiguration({ url: new Secret(url) })),
    setElsewhere: async (key, value) => {
      const elsewhere = await startProcess(`
        import { Secret } from "@weft/kit";
        import { openConsulConfiguration } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
        const store = await openConsulConfiguration({ url: new Secret(${JSON.stringify(url)}) });
        await store.set(${JSON.stringify(key)}, ${JSON.stringify(value)});
      `);
      await elsewhere.kill();
    },
    cut,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
