import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SearchService } from "@weft/contracts/search";
import { type JsonObject, type Reason, WeftError } from "@weft/kit";
import {
  type CallOptions,
  type Client,
  createClient,
  type FallbackAnswer,
  openServer,
  openTransport,
  type RpcServer,
  type ServerOptions,
} from "@weft/rpc";
import { within } from "@weft/kit/testing";
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

/** The engine, whose searches are these. */
const searching = (search: SearchEngine["search"]): SearchEngine =>
  new Proxy(engine, {
    get: (target, name) => (name === "search" ? search : Reflect.get(target, name)),
  });

/** Only `things` can be searched. */
const failing = (reason: Reason): SearchEngine =>
  searching(async (index, query, signal) => {
    if (index !== "things") throw new WeftError(reason, "its shards are gone");
    return engine.search(index, query, signal);
  });

test("another index answers for one that can't, with a single page, and not for a mistake", async () => {
  const asked = { index: "new-things", fallbackIndex: "things", q: "", filter: "", facets: [], sort: "" };
  const input = { ...asked, pageSize: 0, pageToken: "", highlight: false };
  const page = await searchWithFallback(failing("UNAVAILABLE"), input);
  expect([page.hits.length, page.totalHits, page.next, page.isFallback]).toEqual([20, count, undefined, true]);
  const good = await searchWithFallback(failing("UNAVAILABLE"), { ...input, index: "things" });
  expect([good.hits.length, good.next, good.isFallback]).toEqual([20, expect.any(String), false]);
  const others = [{ fallbackIndex: "" }, { fallbackIndex: "older-things" }, { pageToken: good.next ?? "" }];
  for (const other of others) {
    const answer = searchWithFallback(failing("UNAVAILABLE"), { ...input, ...other });
    await expect(answer).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  }
  await expect(searchWithFallback(failing("NOT_FOUND"), input)).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("who gives up has no other index asked", async () => {
  const asked = { index: "new-things", fallbackIndex: "things", q: "", filter: "", facets: [], sort: "" };
  const late = new WeftError("DEADLINE_EXCEEDED", "the deadline passed");
  const controller = new AbortController();
  const slow: SearchEngine["search"] = async () => {
    controller.abort(late);
    throw late;
  };
  const input = { ...asked, pageSize: 0, pageToken: "", highlight: false };
  await expect(searchWithFallback(searching(slow), input, controller.signal)).rejects.toBe(late);
});

interface Served extends AsyncDisposable {
  readonly client: Client<typeof SearchService>;
  readonly server: RpcServer;
  /** What callers heard of their answers. */
  readonly told: FallbackAnswer[];
  readonly decisions: object[];
  readonly options: CallOptions;
}

/** The service behind a real server. */
async function serve(served: SearchEngine, overload: NonNullable<ServerOptions["overload"]> = {}): Promise<Served> {
  await using stack = new AsyncDisposableStack();
  const [decisions, told]: [object[], FallbackAnswer[]] = [[], []];
  const onDecision = (decision: object): void => void decisions.push(decision);
  const server = stack.use(
    await openServer({
      ...{ host: "127.0.0.1", port: 0, services: [searchService(served, { service: "search", onDecision })] },
      ...{ tokens: { verify: () => ({ subject: "ada", roles: ["admin"] }) }, overload },
    }),
  );
  const client = createClient(SearchService, stack.use(openTransport({ address: server.address })));
  const kept = stack.move();
  const onFallback = (answer: FallbackAnswer): void => void told.push(answer);
  const options = { authorization: "Bearer a.b.c", onFallback };
  return { client, server, told, decisions, options, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

test("a caller that gives up has the engine stop", async () => {
  const stopped: string[] = [];
  let asked = 0;
  const waiting = (what: string, signal: AbortSignal | undefined): Promise<never> =>
    new Promise((_, reject) => {
      asked += 1;
      signal?.addEventListener("abort", () => {
        stopped.push(`${what}: ${WeftError.from(signal.reason).reason}`);
        reject(WeftError.from(signal.reason));
      });
    });
  const slow = new Proxy(engine, {
    get: (target, name) => {
      if (name === "search")
        return (_: string, query: { text: string }, signal?: AbortSignal) => waiting(query.text, signal);
      if (name === "suggest") return (_: string, __: object, signal?: AbortSignal) => waiting("suggest", signal);
      return Reflect.get(target, name);
    },
  });
  await using served = await serve(slow);
  const { client } = served;
  const leaving = new AbortController();
  const options = { ...served.options, signal: leaving.signal };
  const brief = { ...served.options, timeoutMs: 500 };
  const calls = Promise.allSettled([
    client.search({ index: "things", q: "search" }, options),
    client.suggest({ index: "things", prefix: "a" }, options),
    client.search({ index: "things", q: "brief" }, brief),
  ]);
  await within(10_000, "the engine is asked", () => asked === 3);
  leaving.abort();
  await calls;
  await within(10_000, "the engine is told", () => stopped.length === 3);
  expect(stopped.toSorted()).toEqual(["brief: DEADLINE_EXCEEDED", "search: CANCELLED", "suggest: CANCELLED"]);
});

test("under strain facets and excerpts are left out, and only who asked for them is told of a degraded answer", async () => {
  // Whatever is measured is too much.
  await using served = await serve(engine, { degrade: { latencyMs: -1, errorShare: -1, cpuShare: 2 } });
  const { client, server, told, options } = served;
  const rich = { index: "things", q: "number 7", facets: ["colour"], highlight: true };
  const full = await client.search(rich, options);
  expect([full.degraded, Object.keys(full.facets), Object.keys(full.hits[0]?.highlights ?? {})]).toEqual([
    false,
    ["colour"],
    ["title"],
  ]);
  await within(20_000, "the server is degraded", () => server.stats.degraded);
  expect(told).toEqual([]);
  const plain = await client.search({ ...rich, facets: [], highlight: false }, options);
  expect([plain.degraded, told]).toEqual([false, []]);
  const spare = await client.search(rich, options);
  expect([spare.degraded, spare.facets, spare.hits[0]?.highlights]).toEqual([true, {}, {}]);
  expect([spare.totalHits, spare.hits.map(({ id }) => id)]).toEqual([full.totalHits, full.hits.map(({ id }) => id)]);
  expect(told).toEqual([{ kind: "partial", ageMs: 0 }]);
});

test("callers are told of another index's answer beside its body, and it is a decision", async () => {
  await using served = await serve(failing("UNAVAILABLE"));
  const { client, told, decisions, options } = served;
  expect(await client.search({ index: "things" }, options)).toMatchObject({ totalHits: count, degraded: false });
  expect([told, decisions]).toEqual([[], []]);
  const other = await client.search({ index: "new-things", fallbackIndex: "things" }, options);
  expect([other.totalHits, other.degraded, told]).toEqual([count, true, [{ kind: "partial", ageMs: 0 }]]);
  const method = "weft.search.v1.SearchService/Search";
  expect(decisions).toEqual([{ kind: "fallback", target: "search", method, reason: "other index" }]);
});
