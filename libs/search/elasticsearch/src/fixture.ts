import { randomBytes } from "node:crypto";
import { Secret } from "@weft/kit";
import { startProcess } from "@weft/kit/testing";
import { encodeDefinition, type SearchEngine } from "@weft/search";
import type { SearchFixture } from "@weft/search/conformance";
import { openElasticsearch } from "./index.ts";

/**
 * A namespace of its own on the server at `port` of this machine, removed with all that is in it. Handles connect at
 * `through`, where that is given.
 */
export async function openFixture(port: number, through = port): Promise<SearchFixture> {
  await using stack = new AsyncDisposableStack();
  const namespace = `t${randomBytes(6).toString("hex")}`;
  const url = `elasticsearch://127.0.0.1:${through}?namespace=${namespace}`;
  stack.defer(() => removeNamespace(port, namespace));
  const kept = stack.move();
  return {
    open: async (): Promise<SearchEngine> => kept.use(await openElasticsearch({ url: new Secret(url) })),
    putElsewhereAndDie: async (definition, id, name) => {
      const child = await startProcess(`
        import { Secret } from "@weft/kit";
        import { decodeDefinition } from "@weft/search";
        import { openElasticsearch } from "@weft/search-elasticsearch";
        const definition = decodeDefinition(${JSON.stringify(encodeDefinition(definition))});
        const engine = await openElasticsearch({ url: new Secret(${JSON.stringify(url)}) });
        await engine.createIndex(definition);
        const document = { id: ${JSON.stringify(id)}, name: ${JSON.stringify(name)} };
        await engine.apply(definition.index, [{ kind: "put", id: document.id, document }]);
      `);
      await child.kill();
    },
    reindexElsewhereAndDie: async (definition) => {
      const child = await startProcess(`
        import { Secret } from "@weft/kit";
        import { decodeDefinition } from "@weft/search";
        import { openElasticsearch } from "@weft/search-elasticsearch";
        const definition = decodeDefinition(${JSON.stringify(encodeDefinition(definition))});
        const engine = await openElasticsearch({ url: new Secret(${JSON.stringify(url)}) });
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

/** Elasticsearch deletes no index by a pattern. */
async function removeNamespace(port: number, namespace: string): Promise<void> {
  const at = (path: string): string => `http://127.0.0.1:${port}/${path}`;
  const indexes: unknown = await (await fetch(at(`${namespace}.*?features=aliases`))).json();
  const names = Object.keys(indexes as Readonly<Record<string, unknown>>);
  if (names.length > 0) await fetch(at(names.join(",")), { method: "DELETE" });
  await fetch(at(`_index_template/${namespace}`), { method: "DELETE" });
}
