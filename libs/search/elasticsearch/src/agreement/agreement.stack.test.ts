import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { JsonObject } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import type { SearchEngine } from "@weft/search";
import { packages } from "@weft/search/fixtures";
import { openEmbeddedSearch } from "@weft/search-embedded";
import { expect, test } from "vitest";
import { openFixture } from "../fixture.ts";
import { queriesFrom } from "./queries.ts";

/** A query to which the engines answer otherwise, and why that is so. */
interface Difference {
  readonly query: string;
  readonly why: string;
  readonly onlyEmbedded: readonly string[];
  readonly onlyElasticsearch: readonly string[];
}

describeBackend("elasticsearch", (server) => {
  test("the embedded engine and Elasticsearch find the same documents, but for the differences that are listed", async () => {
    await using stack = new AsyncDisposableStack();
    const dataDir = await mkdtemp(join(tmpdir(), "weft-agreement-"));
    stack.defer(() => rm(dataDir, { recursive: true, force: true }));
    const embedded = stack.use(await openEmbeddedSearch({ dataDir }));
    const fixture = stack.use(await openFixture(server().port));
    const elasticsearch = await fixture.open();

    const documents = await readDocuments();
    await Promise.all([load(embedded, documents), load(elasticsearch, documents)]);
    const queries = queriesFrom(documents);
    expect(queries).toHaveLength(200);

    const differences: Omit<Difference, "why">[] = [];
    let found = 0;
    for (const query of queries) {
      const [ours, theirs] = await Promise.all([matches(embedded, query), matches(elasticsearch, query)]);
      if (ours.size > 0) found += 1;
      const onlyEmbedded = [...ours].filter((id) => !theirs.has(id));
      const onlyElasticsearch = [...theirs].filter((id) => !ours.has(id));
      if (onlyEmbedded.length + onlyElasticsearch.length === 0) continue;
      differences.push({ query, onlyEmbedded, onlyElasticsearch });
    }
    expect(found).toBeGreaterThan(150);
    const listed = (await readJson("differences.json")) as readonly Difference[];
    // One that is listed and has gone is to be taken off the list.
    expect(differences).toEqual(listed.map(({ why: _, ...difference }) => difference));
  }, 120_000);
});

async function readDocuments(): Promise<readonly JsonObject[]> {
  const text = await readFile(join(import.meta.dirname, "testdata/packages.ndjson"), "utf8");
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as JsonObject);
}

async function readJson(name: string): Promise<unknown> {
  return JSON.parse(await readFile(join(import.meta.dirname, name), "utf8"));
}

async function load(engine: SearchEngine, documents: readonly JsonObject[]): Promise<void> {
  await engine.createIndex(packages);
  for (let start = 0; start < documents.length; start += 1000) {
    const changes = documents
      .slice(start, start + 1000)
      .map((document) => ({ kind: "put", id: String(document["id"]), document }) as const);
    const results = await engine.apply(packages.index, changes);
    expect(results.filter(({ outcome }) => outcome !== "applied")).toEqual([]);
  }
  await within(10_000, "all documents are found", async () => {
    const { totalHits } = await engine.search(packages.index, { text: "", pageSize: 1 });
    return totalHits === documents.length;
  });
}

async function matches(engine: SearchEngine, text: string): Promise<ReadonlySet<string>> {
  const { hits } = await engine.search(packages.index, { text, pageSize: 10_000 });
  return new Set(hits.map(({ id }) => id).toSorted());
}
