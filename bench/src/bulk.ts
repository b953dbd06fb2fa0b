import { Client, type estypes } from "@elastic/elasticsearch";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type JsonObject, Secret } from "@weft/kit";
import { startServer } from "@weft/native";
import type { SearchEngine } from "@weft/search";
import { packages } from "@weft/search/fixtures";
import { openElasticsearch } from "@weft/search-elasticsearch";
import { cpuMs } from "./child.ts";
import { type Benchmark, interleave, quantile, type Result } from "./result.ts";

const documentCount = 5000;
const batchSizes = [100, 1000, 5000];
const rounds = 3;
const peerName = "helpers.bulk";
const peerIndex = "peer";
const freshnessProbes = 40;
const source = join(import.meta.dirname, "../../tests/system/data/packages.ndjson");

type MappingProperty = estypes.MappingProperty;

/** What a document's words are analysed by when nobody looks at its language first: all of it, in each way. */
const everyLanguage: MappingProperty = {
  type: "text",
  analyzer: "english",
  fields: { german: { type: "text", analyzer: "german" }, cjk: { type: "text", analyzer: "cjk" } },
};
const keyword: MappingProperty = { type: "keyword" };
const keywordWithWords: MappingProperty = { type: "keyword", fields: { words: { type: "text" } } };
const keywordToComplete: MappingProperty = {
  type: "keyword",
  fields: { words: { type: "text" }, completion: { type: "completion" } },
};

/** The mapping by hand for the searches that `packages` allows. */
const byHand: Readonly<Record<string, MappingProperty>> = {
  id: keyword,
  name: keywordToComplete,
  summary: everyLanguage,
  description: everyLanguage,
  section: keywordWithWords,
  tags: keywordWithWords,
  lang: keyword,
  version: keyword,
  installedKiB: { type: "integer" },
};

interface Rate {
  readonly perSecond: number;
  /** Of this process and the server together. */
  readonly perCpuSecond: number;
}

/**
 * The peer is what a user of the official client would write to search the same documents: they are sent as they are,
 * into an index whose mapping analyses their texts by Elasticsearch's own analyzers for the same languages and has their
 * values as keywords, by `helpers.bulk` with its defaults. Same server, number of shards and replicas, durability, refresh
 * interval (Elasticsearch's own) and external versions. Ours tells the language of each document, cuts its words and sends
 * them beside it; for that each text is analysed once there, and thrice for the peer.
 */
export const bulk: Benchmark = {
  name: "bulk",
  about: `Documents a second into Elasticsearch, ${documentCount.toLocaleString("en")} in batches one after the other, all with versions: \`apply\` against \`helpers.bulk\` of the official client with its defaults, which sends the same documents as they are to an index mapped by hand for the same searches (analyzers \`english\`, \`german\` and \`cjk\`, keywords, a completion). A CPU second is of the client and the server together. Freshness is the time from the call of \`apply\` with one document to the search that finds it.`,
  async run() {
    const dir = await mkdtemp(join(tmpdir(), "weft-bench-"));
    try {
      await using server = await startServer("elasticsearch", { dir });
      await using engine = await openElasticsearch({ url: new Secret(server.url) });
      await engine.createIndex(packages);
      const client = new Client({ node: `http://127.0.0.1:${server.port}` });
      const settings = { number_of_shards: 1, number_of_replicas: 0 };
      await client.indices.create({ index: peerIndex, settings, mappings: { properties: { ...byHand } } });
      const documents = await readDocuments();
      let version = 0n;
      const ours = (batch: number) => () => {
        version += 1n;
        return rate(server.pid, batch, documents, async (part) => {
          const changes = part.map((document) => ({ kind: "put", id: idOf(document), version, document }) as const);
          const results = await engine.apply(packages.index, changes);
          if (results.some(({ outcome }) => outcome !== "applied")) throw new Error("a document was not applied");
        });
      };
      const peer = (batch: number) => () => {
        version += 1n;
        return rate(server.pid, batch, documents, (part) => writeByHelper(client, part, Number(version)));
      };
      const results: Result[] = [];
      for (const batch of batchSizes) {
        const figures = await interleave(rounds, ours(batch), peer(batch));
        results.push({ name: `bulk-${batch}`, ...figures("perSecond"), peerName, unit: "documents/s" });
        results.push({ name: `bulk-${batch}-cpu`, ...figures("perCpuSecond"), peerName, unit: "documents/CPU s" });
      }
      await client.close();
      return [...results, ...(await freshness(engine))];
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  },
};

async function writeByHelper(client: Client, documents: readonly JsonObject[], version: number): Promise<void> {
  const { failed } = await client.helpers.bulk({
    datasource: [...documents],
    onDocument: (document) => [
      { index: { _index: peerIndex, _id: idOf(document), version, version_type: "external" } },
      document,
    ],
  });
  if (failed > 0) throw new Error(`${failed} documents failed`);
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

async function rate(
  serverPid: number,
  batch: number,
  documents: readonly JsonObject[],
  write: (part: readonly JsonObject[]) => Promise<void>,
): Promise<Rate> {
  const usedMs = (): number => cpuMs(process.pid) + cpuMs(serverPid);
  const [cpu, start] = [usedMs(), performance.now()];
  for (let at = 0; at < documents.length; at += batch) await write(documents.slice(at, at + batch));
  const count = documents.length * 1000;
  return { perSecond: count / (performance.now() - start), perCpuSecond: count / (usedMs() - cpu) };
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
