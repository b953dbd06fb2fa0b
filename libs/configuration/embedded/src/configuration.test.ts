import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ConfigurationFixture, describeConfigurationConformance } from "@weft/configuration/conformance";
import { startProcess } from "@weft/kit/testing";
import { SqliteFile } from "@weft/sqlite";
import { schema } from "./configuration.ts";
import { openEmbeddedConfiguration } from "./index.ts";

describeConfigurationConformance("embedded", openFixture);

async function openFixture(): Promise<ConfigurationFixture> {
  const stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-configuration-"));
  stack.defer(() => rm(dataDir, { recursive: true }));
  return {
    open: async () => stack.use(await openEmbeddedConfiguration({ dataDir })),
    setElsewhere: async (key, value) => {
      const elsewhere = await startProcess(`
        import { openEmbeddedConfiguration } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
        const store = await openEmbeddedConfiguration({ dataDir: ${JSON.stringify(dataDir)} });
        await store.set(${JSON.stringify(key)}, ${JSON.stringify(value)});
      `);
      await elsewhere.kill();
    },
    cut: async () => {
      rename("item", "away");
      return { restore: async () => rename("away", "item") };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };

  /** A table that is not there fails every read and write, like a file that can't be reached. */
  function rename(from: string, to: string): void {
    using file = new SqliteFile({ path: join(dataDir, "configuration.db"), schema });
    file.run(`ALTER TABLE ${from} RENAME TO ${to}`);
  }
}
