import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startProcess } from "@weft/kit/testing";
import { encodeDefinition, type SearchEngine } from "@weft/search";
import type { SearchFixture } from "@weft/search/conformance";
import { openEmbeddedSearch } from "./index.ts";

/** A data folder of its own; `wrap` changes every handle on it. */
export async function openFixture(
  wrap: (right: SearchEngine, dataDir: string) => SearchEngine = (right) => right,
): Promise<SearchFixture> {
  await using stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-search-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const kept = stack.move();
  return {
    open: async () => wrap(kept.use(await openEmbeddedSearch({ dataDir })), dataDir),
    putElsewhereAndDie: async (definition, id, name) => {
      const child = await startProcess(`
        import { decodeDefinition } from "@weft/search";
        import { openEmbeddedSearch } from "@weft/search-embedded";
        const definition = decodeDefinition(${JSON.stringify(encodeDefinition(definition))});
        const engine = await openEmbeddedSearch({ dataDir: ${JSON.stringify(dataDir)} });
        await engine.createIndex(definition);
        const document = { id: ${JSON.stringify(id)}, name: ${JSON.stringify(name)} };
        await engine.apply(definition.index, [{ kind: "put", id: document.id, document }]);
      `);
      await child.kill();
    },
    reindexElsewhereAndDie: async (definition) => {
      const child = await startProcess(`
        import { decodeDefinition } from "@weft/search";
        import { openEmbeddedSearch } from "@weft/search-embedded";
        const definition = decodeDefinition(${JSON.stringify(encodeDefinition(definition))});
        const engine = await openEmbeddedSearch({ dataDir: ${JSON.stringify(dataDir)} });
        await new Promise((resolve) => {
          const onProgress = ({ processed }) => (processed === 0 ? undefined : new Promise(() => resolve()));
          void engine.reindex(definition.index, { definition, onProgress });
        });
      `);
      await child.kill();
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}
