import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Blocks, blockUrlDefaults, openSearch, openState } from "@weft/blocks";
import { SearchService } from "@weft/contracts/search";
import { systemClock } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { createClient, openServer, openTransport } from "@weft/rpc";
import { markChanges } from "@weft/search-cache";
import { createLogger, createMetrics } from "@weft/telemetry";
import { expect, test } from "vitest";
import { compose } from "./compose.ts";

const tokens = { verify: () => ({ subject: "somebody", roles: [] }) };

/** The service behind a real server, and an engine as the indexer has it, in an empty folder. */
async function start(stack: AsyncDisposableStack, cacheMs: number) {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-search-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const blocks = new Blocks({ dataDir, urls: blockUrlDefaults("embedded"), stack });
  const metrics = createMetrics();
  const log = createLogger({ service: "search", instance: "test", level: "fatal" });
  const host = { service: "search", config: { cacheMs }, blocks, metrics, log, clock: systemClock };
  const { services } = await compose({ ...host, readiness: () => {}, onDecision: () => {} });
  const server = stack.use(await openServer({ host: "127.0.0.1", port: 0, services, tokens }));
  const client = createClient(SearchService, stack.use(openTransport({ address: server.address })));
  const engine = stack.use(
    markChanges(await openSearch(blocks), { store: () => openState(blocks, "search-cache"), log }),
  );
  await engine.createIndex({ index: "things", idField: "id", fields: new Map([["colour", colour]]) });
  const put = (id: string) => engine.apply("things", [{ kind: "put", id, document: { id, colour: "red" } }]);
  const find = () => client.search({ index: "things", facets: ["colour"] });
  const counted = async (outcome: string): Promise<number> => {
    const found = new RegExp(`search_cache_requests_total{outcome="${outcome}"} (\\d+)`).exec(await metrics.text());
    return Number(found?.[1] ?? 0);
  };
  return { put, find, counted };
}

const colour = { kind: "keyword", facet: true, suggest: false } as const;

test("a search that is asked again comes from the cache, and a change is found by the next one", async () => {
  await using stack = new AsyncDisposableStack();
  const { put, find, counted } = await start(stack, 10_000);
  await put("a");
  const first = await find();
  expect(first).toMatchObject({ totalHits: 1, facets: { colour: {} } });
  await within(15_000, "a hit", async () => {
    expect(await find()).toEqual(first);
    return (await counted("hit")) > 0;
  });
  expect(await counted("miss")).toBe(1);
  await put("b");
  expect((await find()).totalHits).toBe(2);
});

test("without a cache nothing is stored or counted", async () => {
  await using stack = new AsyncDisposableStack();
  const { put, find, counted } = await start(stack, 0);
  await put("a");
  expect((await find()).totalHits).toBe(1);
  expect(await counted("bypass")).toBe(0);
});
