import { parseFilter } from "@weft/filter";
import type { JsonObject } from "@weft/kit";
import { within } from "@weft/kit/testing";
import type { ChangeResult, SearchEngine, SearchQuery } from "../index.ts";
import { type SearchFixture, shop } from "./fixture.ts";

/** The longest time that a change may take to be found (law F1), with room for a busy machine. */
const visibleMs = 1500;

/** A handle, with the index `shop` and these documents in it. */
export async function shopWith(
  fixture: SearchFixture,
  documents: Readonly<Record<string, JsonObject>>,
): Promise<SearchEngine> {
  const engine = await fixture.open();
  await engine.createIndex(shop);
  await put(engine, documents);
  await visible(engine, "", Object.keys(documents).length);
  return engine;
}

/** Puts documents by their ids. */
export function put(
  engine: SearchEngine,
  documents: Readonly<Record<string, JsonObject>>,
): Promise<readonly ChangeResult[]> {
  return engine.apply(
    shop.index,
    Object.entries(documents).map(([id, document]) => ({ kind: "put", id, document: { id, ...document } })),
  );
}

/** Resolves when a search gives so many hits. */
export async function visible(engine: SearchEngine, text: string, count: number): Promise<void> {
  await within(visibleMs, `${count} hits for ${JSON.stringify(text)}`, async () => {
    const page = await engine.search(shop.index, { text, pageSize: 1 });
    return page.totalHits === count;
  });
}

/** Ids of the first 1,000 hits. */
export async function find(engine: SearchEngine, query: string | Partial<SearchQuery>): Promise<readonly string[]> {
  const parts = typeof query === "string" ? { text: query } : query;
  const page = await engine.search(shop.index, { text: "", pageSize: 1000, ...parts });
  return page.hits.map((hit) => hit.id);
}

/** Ids of the documents that a filter leaves, sorted. */
export async function filtered(engine: SearchEngine, filter: string): Promise<readonly string[]> {
  const ids = await find(engine, { filter: parseFilter(filter) });
  return ids.toSorted();
}

/** Ids of all hits, page by page. */
export async function pageThrough(
  engine: SearchEngine,
  query: SearchQuery,
  between: (page: number) => Promise<unknown> = async () => undefined,
): Promise<readonly string[]> {
  const ids: string[] = [];
  let after: string | undefined;
  for (let page = 1; page <= 1000; page += 1) {
    const answer = await engine.search(shop.index, { ...query, ...(after === undefined ? {} : { after }) });
    ids.push(...answer.hits.map((hit) => hit.id));
    after = answer.next;
    if (after === undefined) return ids;
    await between(page);
  }
  throw new Error("the pages never end");
}
