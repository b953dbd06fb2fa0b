import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SearchService } from "@weft/contracts/search";
import { type JsonObject, type Reason, WeftError } from "@weft/kit";
import { createClient, type FallbackAnswer, openServer, openTransport } from "@weft/rpc";
import type { SearchEngine } from "@weft/search";
import { openEmbeddedSearch } from "@weft/search-embedded";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportDocuments } from "./app/export-documents.ts";
import { search, type SearchInput, searchWithFallback } from "./app/search.ts";
import { suggest } from "./app/suggest.ts";
import { toFacets, toHit } from "./rpc/convert.ts";
import { searchService } from "./rpc/search-service.ts";

let folder: string;
let engine: SearchEngine;
const count = 250;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-search-"));
  engine = await openEmbeddedSearch({ dataDir: folder });
  await engine.createIndex({
    index: "things",
    idField: "id",
    fields: new Map([
      ["title", { kind: "text", weight: 1, suggest: true }],
      ["colour", { kind: "keyword", facet: true, suggest: false }],
      ["size", { kind: "integer", facet: false }],
    ]),
  });
  const documents = Array.from({ length: count }, (_, at): JsonObject => {
    return { id: `t${at}`, title: `Thing number ${at}`, colour: at % 2 === 0 ? "red" : "blue", size: at };
  });
  await engine.apply(
    "things",
    documents.map((document) => ({ kind: "put", id: String(document["id"]), document })),
  );
});
afterAll(async () => {
  await engine[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function ask(input: Partial<SearchInput>): ReturnType<typeof search> {
  const empty = { q: "", filter: "", facets: [], sort: "", pageSize: 0, pageToken: "", highlight: false };
  return search(engine, { index: "things", ...empty, ...input });
}

test("page sizes have a default, a limit and a lower end", async () => {
  expect((await ask({})).hits.length).toBe(20);
  expect((await ask({ pageSize: 1000 })).hits.length).toBe(200);
  await expect(ask({ pageSize: -1 })).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
});

test("facets come one by one or separated by commas", async () => {
  const { facets } = await ask({ facets: ["colour, ", ""] });
  expect(toFacets(facets)["colour"]?.values.length).toBe(2);
  expect([...(facets.get("colour") ?? [])]).toEqual([
    { value: "blue", count: count / 2 },
    { value: "red", count: count / 2 },
  ]);
});

test("a filter and an order decide what comes, and pages go on where the last one ended", async () => {
  const sizes: unknown[] = [];
  for (let pageToken: string | undefined = ""; pageToken !== undefined;) {
    const page = await ask({ filter: "colour=red AND size>100", sort: "size desc", pageSize: 30, pageToken });
    sizes.push(...page.hits.map(({ document }) => document["size"]));
    pageToken = page.next;
  }
  const expected = Array.from({ length: count }, (_, at) => at).filter((at) => at % 2 === 0 && at > 100);
  expect(sizes).toEqual(expected.reverse());
});

test("what can't be understood is refused with its reason", async () => {
  await expect(ask({ filter: "colour=(" })).rejects.toMatchObject({ reason: "INVALID_FILTER" });
  await expect(ask({ filter: "taste=sweet" })).rejects.toMatchObject({ reason: "INVALID_FILTER" });
  await expect(ask({ sort: "taste" })).rejects.toMatchObject({ reason: "INVALID_FILTER" });
  await expect(ask({ pageToken: "forged" })).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
  const { next = "" } = await ask({ q: "thing" });
  await expect(ask({ q: "number", pageToken: next })).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
  await expect(ask({ index: "nothing" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("a hit carries its document and, when asked, excerpts", async () => {
  const { hits } = await ask({ q: "number 7", highlight: true });
  const [hit] = hits.map(toHit);
  expect(hit).toMatchObject({ id: "t7", document: { title: "Thing number 7" } });
  expect(JSON.stringify(hit?.highlights)).toContain("<em>7</em>");
});

test("suggestions are bounded", async () => {
  expect((await suggest(engine, { index: "things", prefix: "thing number 24", pageSize: 0 })).length).toBe(10);
  expect((await suggest(engine, { index: "things", prefix: "thing number 24", pageSize: 3 })).length).toBe(3);
});

test("an export gives every match, in bounded messages", async () => {
  const batches: Uint8Array[][] = [];
  for await (const batch of exportDocuments(
    engine,
    { index: "things", q: "thing", filter: "" },
    new AbortController().signal,
  )) {
    batches.push(batch);
  }
  expect(batches.length).toBeGreaterThan(1);
  const ids = batches.flat().map((bytes) => (JSON.parse(Buffer.from(bytes).toString()) as { id: string }).id);
  expect(new Set(ids).size).toBe(count);
});

/** Only `things` can be searched. */
const failing = (reason: Reason): SearchEngine =>
  new Proxy(engine, {
    get: (target, name) => {
      if (name !== "search") return Reflect.get(target, name);
      return async (index: string, query: Parameters<SearchEngine["search"]>[1]) => {
        if (index !== "things") throw new WeftError(reason, "its shards are gone");
        return engine.search(index, query);
      };
    },
  });

test("another index answers for one that can't, with a single page, and not for a mistake", async () => {
  const asked = { index: "new-things", fallbackIndex: "things", q: "", filter: "", facets: [], sort: "" };
  const input = { ...asked, pageSize: 0, pageToken: "", highlight: false };
  const page = await searchWithFallback(failing("UNAVAILABLE"), input);
  expect([page.hits.length, page.totalHits, page.next, page.degraded]).toEqual([20, count, undefined, true]);
  const good = await searchWithFallback(failing("UNAVAILABLE"), { ...input, index: "things" });
  expect([good.hits.length, good.next, good.degraded]).toEqual([20, expect.any(String), false]);
  const others = [{ fallbackIndex: "" }, { fallbackIndex: "older-things" }, { pageToken: good.next ?? "" }];
  for (const other of others) {
    const answer = searchWithFallback(failing("UNAVAILABLE"), { ...input, ...other });
    await expect(answer).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  }
  await expect(searchWithFallback(failing("NOT_FOUND"), input)).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("callers are told of another index's answer beside its body", async () => {
  await using server = await openServer({
    ...{ host: "127.0.0.1", port: 0, services: [searchService(failing("UNAVAILABLE"))] },
    tokens: { verify: () => ({ subject: "ada", roles: ["admin"] }) },
  });
  await using transport = openTransport({ address: server.address });
  const client = createClient(SearchService, transport);
  const told: FallbackAnswer[] = [];
  const options = { authorization: "Bearer a.b.c", onFallback: (answer: FallbackAnswer) => void told.push(answer) };
  expect(await client.search({ index: "things" }, options)).toMatchObject({ totalHits: count, degraded: false });
  expect(told).toEqual([]);
  const other = await client.search({ index: "new-things", fallbackIndex: "things" }, options);
  expect([other.totalHits, other.degraded, told]).toEqual([count, true, [{ kind: "partial", ageMs: 0 }]]);
});
