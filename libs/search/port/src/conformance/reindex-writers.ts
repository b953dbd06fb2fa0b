import assert from "node:assert/strict";
import { parseFilter } from "@weft/filter";
import { isWeftError } from "@weft/kit";
import type { SearchEngine } from "../index.ts";
import { type SearchFixture, shop } from "./fixture.ts";
import { visible } from "./tools.ts";

/** Documents that nobody changes, and that each writer changes. */
const fixed = 30;
const perWriter = 20;

/**
 * Runs `reindex` beside two writers and a reader of other processes: no call of them fails, no search lacks one of the
 * documents that are left alone, and in the end each document is what its writer was told last. The index is `shop`.
 */
export async function reindexWriters(fixture: SearchFixture, reindex: () => Promise<unknown>): Promise<void> {
  const engines = [await fixture.open(), await fixture.open()];
  const [first] = engines;
  assert.ok(first !== undefined);
  const rest = Array.from({ length: fixed }, (_, at) => ({ id: `fixed${at}`, name: "lighthouse", tags: ["fixed"] }));
  await first.apply(
    shop.index,
    rest.map((document) => ({ kind: "put", id: document.id, document })),
  );
  await visible(first, "lighthouse", fixed);
  const isOver = { now: false };
  const work = [...engines.map((engine, number) => write(engine, number, isOver)), read(await fixture.open(), isOver)];
  // A worker that fails must not leave the others at it.
  for (const worker of work) worker.catch(() => (isOver.now = true));
  try {
    await reindex();
  } finally {
    isOver.now = true;
  }
  await Promise.all(work);
}

/** Changes documents in turn, from version to version; a few rounds at least, the last of them after the end. */
async function write(engine: SearchEngine, number: number, isOver: { readonly now: boolean }): Promise<void> {
  // Versions go on from run to run.
  let version = BigInt(Date.now()) * 1000n;
  const states = new Map<string, string | undefined>();
  for (let isLast = false; !isLast;) {
    isLast = isOver.now;
    for (let at = 0; at < perWriter; at += 4) {
      version += 1n;
      const changes = [0, 1, 2, 3].map((offset) => {
        const id = `w${number}-${at + offset}`;
        const isPut = (version + BigInt(offset)) % 3n !== 0n;
        const name = `v${version}`;
        states.set(id, isPut ? name : undefined);
        return isPut
          ? ({ kind: "put", id, version, document: { id, name } } as const)
          : ({ kind: "delete", id, version } as const);
      });
      const results = await engine.apply(shop.index, changes);
      assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(["applied"]));
    }
  }
  const ids = [...states.keys()];
  const found = await Promise.all(ids.map((id) => nameIn(engine, id)));
  assert.deepEqual(new Map(ids.map((id, at) => [id, found[at]])), states);
  const late = ids.map((id) => ({ kind: "put", id, version: 1n, document: { id, name: "late" } }) as const);
  const results = await engine.apply(shop.index, late);
  assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(["superseded"]));
}

async function nameIn(engine: SearchEngine, id: string): Promise<unknown> {
  try {
    return (await engine.getDocument(shop.index, id))["name"];
  } catch (error) {
    if (isWeftError(error, "NOT_FOUND")) return undefined;
    throw error;
  }
}

async function read(engine: SearchEngine, isOver: { readonly now: boolean }): Promise<void> {
  for (let isLast = false; !isLast;) {
    isLast = isOver.now;
    const query = { text: "lighthouse", filter: parseFilter('tags="fixed"'), facets: ["tags"] };
    const page = await engine.search(shop.index, { ...query, pageSize: fixed });
    assert.equal(page.hits.length, fixed);
    assert.deepEqual(page.facets.get("tags"), [{ value: "fixed", count: fixed }]);
    assert.equal((await engine.getDocument(shop.index, "fixed0"))["name"], "lighthouse");
    // An engine of this process would let nobody else have a turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
}
