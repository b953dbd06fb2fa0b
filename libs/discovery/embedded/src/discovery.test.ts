import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeDiscoveryConformance, type DiscoveryFixture } from "@weft/discovery/conformance";
import { startProcess } from "@weft/kit/testing";
import { SqliteFile } from "@weft/sqlite";
import { openEmbeddedDiscovery } from "./index.ts";
import { schema } from "./registry.ts";

describeDiscoveryConformance("embedded", openFixture);

async function openFixture(): Promise<DiscoveryFixture> {
  const stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-discovery-"));
  stack.defer(() => rm(dataDir, { recursive: true }));
  return {
    open: async () => stack.use(await openEmbeddedDiscovery({ dataDir })),
    registerElsewhere: async (instance, options) =>
      stack.use(
        await startProcess(`
          import { openEmbeddedDiscovery } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
          const discovery = await openEmbeddedDiscovery({ dataDir: ${JSON.stringify(dataDir)} });
          await discovery.register(${JSON.stringify(instance)}, ${JSON.stringify(options ?? {})});
        `),
      ),
    cut: async () => {
      rename("instance", "away");
      return { restore: async () => rename("away", "instance") };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };

  /** A table that is not there fails every read and write, like a file that can't be reached. */
  function rename(from: string, to: string): void {
    using file = new SqliteFile({ path: join(dataDir, "discovery.db"), schema });
    file.run(`ALTER TABLE ${from} RENAME TO ${to}`);
  }
}
