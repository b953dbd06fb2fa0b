import { Client } from "@elastic/elasticsearch";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type JsonObject, Secret } from "@weft/kit";
import { startServer } from "@weft/native";
import type { IndexDefinition, SearchEngine } from "@weft/search";
import { openElasticsearch } from "@weft/search-elasticsearch";
import { type Benchmark, interleave, quantile, type Result } from "./result.ts";

const documentCount = 5000;
const batchSizes = [100, 1000, 5000];
const rounds = 3;
const freshnessProbes = 40;
const source = join(import.meta.dirname, "../../tests/system/data/packages.ndjson");

const packages: IndexDefinition = {
  index: "packages",
  idField: "id",
  languageField: "lang",
  fields: new Map([
    ["name", { kind: "keyword", facet: false, suggest: true }],
    ["summary", { kind: "text", weight: 3, suggest: false }],
    ["description", { kind: "text", weight: 1, suggest: false }],
    ["section", { kind: "keyword", facet: true, suggest: false }],
    ["tags", { kind: "keyword", facet: true, suggest: false }],
    ["lang", { kind: "keyword", facet: true, suggest: false }],
    ["installedKiB", { kind: "integer", facet: false }],
  ]),
};

export const bulk: Benchmark = {
  name: "bulk",
  about: `Documents a second into Elasticsearch, ${documentCount.toLocaleString("en")} in batches one after the other, all with versions: \`apply\` against \`helpers.bulk\` of the official client, which is given what ours has derived from the documents and writes it to an index of the same mapping and settings. Freshness is the time from the call of \`apply\` with one document to the search that finds it.`,
  async run() {
    const dir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    try {
      await using server = await startServer("elasticsearch", { dir });
      await using engine = await open(server.url, "ours");
      await using other = await open(server.url, "peer");
      for (const each of [engine, other]) await each.createIndex(packages);
      const client = new Client({ node: `http://127.0.0.1:${server.port}` });
      const documents = await readDocuments();
      let version = 0n;
      const ours = (batch: number) => async () => {
        version += 1n;
        return rate(batch, documents, async (part) => {
          const changes = part.map((document) => ({ kind: "put", id: idOf(document), version, document }) as const);
          const results = await engine.apply(packages.index, changes);
          if (results.some(({ outcome }) => outcome !== "applied")) throw new Error("a document was not applied");
        });
      };
      await ours(1000)();
      const stored = await readStored(client, documents);
      const peer = (batch: number) => async () => {
        version += 1n;
        return rate(batch, stored, async (part) => {
          const { failed } = await client.helpers.bulk({
            datasource: [...part],
            onDocument: (document) => [
              {
                index: {
                  _index: "peer.packages",
                  _id: idOf(document),
                  version: Number(version),
                  version_type: "external",
                },
              },
              document,
            ],
          });
          if (failed > 0) throw new Error(`${failed} documents failed`);
        });
      };
      const results: Result[] = [];
      for (const batch of batchSizes) {
        const figures = await interleave(rounds, ours(batch), peer(batch));
        results.push({ name: `bulk-${batch}`, ...figures("perSecond"), peerName: "helpers.bulk", unit: "documents/s" });
      }
      await client.close();
      return [...results, ...(await freshness(engine))];
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
};

function open(url: string, namespace: string): Promise<SearchEngine> {
  // A machine that is busy otherwise should give small figures, not none.
  return openElasticsearch({ url: new Secret(`${url}?namespace=${namespace}`), requestTimeoutMs: 60_000 });
}

function idOf(document: JsonObject): string {
  return String(document["id"]);
}

/** As many as are wanted, made of those that there are. */
async function readDocuments(): Promise<readonly JsonObject[]> {
  const lines = (await readFile(source, "utf8")).trim().split("\n");
  return Array.from({ length: documentCount }, (_, at) => {
    const document = JSON.parse(lines[at % lines.length] ?? "{}") as JsonObject;
    return { ...document, id: `${idOf(document)}-${at}` };
  });
}

/** The documents as they lie in Elasticsearch. */
async function readStored(client: Client, documents: readonly JsonObject[]): Promise<readonly JsonObject[]> {
  const { docs } = await client.mget<JsonObject>({ index: "ours.packages", ids: documents.map(idOf) });
  return docs.map((found) => {
    if (!("_source" in found) || found._source === undefined) throw new Error("a document is missing");
    return found._source;
  });
}

async function rate(
  batch: number,
  documents: readonly JsonObject[],
  write: (part: readonly JsonObject[]) => Promise<void>,
): Promise<{ readonly perSecond: number }> {
  const start = performance.now();
  for (let at = 0; at < documents.length; at += batch) await write(documents.slice(at, at + batch));
  return { perSecond: (documents.length * 1000) / (performance.now() - start) };
}

async function freshness(engine: SearchEngine): Promise<readonly Result[]> {
  const times: number[] = [];
  for (let at = 0; at < freshnessProbes; at += 1) {
    const name = `freshness-${at}`;
    const start = performance.now();
    await engine.apply(packages.index, [{ kind: "put", id: name, document: { id: name, name } }]);
    while ((await engine.search(packages.index, { text: name, pageSize: 1 })).totalHits === 0) await sleep(10);
    times.push(performance.now() - start);
  }
  return [0.5, 0.99].map((share) => ({
    name: `bulk-freshness-p${share * 100}`,
    ours: quantile(times, share),
    peer: null,
    peerName: null,
    ratio: null,
    unit: "ms",
  }));
}
