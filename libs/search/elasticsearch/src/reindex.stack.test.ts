import { randomHex, Secret } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import type { SearchEngine } from "@weft/search";
import { shop } from "@weft/search/conformance";
import { expect, test } from "vitest";
import { openElasticsearch } from "./index.ts";

const document = { id: "a", title: "apple" };
const put = { kind: "put", id: "a", version: 1n, document } as const;
const limitMs = 60_000;

describeBackend("elasticsearch", (server) => {
  async function open(): Promise<{ readonly engine: SearchEngine; readonly alias: string }> {
    const namespace = `t${randomHex(6)}`;
    const url = new Secret(`elasticsearch://127.0.0.1:${server().port}?namespace=${namespace}`);
    const engine = await openElasticsearch({ url });
    await engine.createIndex(shop);
    return { engine, alias: `${namespace}.${shop.index}` };
  }

  async function ask<Answer>(method: string, path: string): Promise<Answer> {
    return (await (await fetch(`http://127.0.0.1:${server().port}/${path}`, { method })).json()) as Answer;
  }

  async function indexesOf(alias: string): Promise<readonly string[]> {
    return Object.keys(await ask<Readonly<Record<string, object>>>("GET", `${alias}.*?features=aliases`));
  }

  test("a writer ends a reindex that died while it held up writers", { timeout: limitMs }, async () => {
    const { engine, alias } = await open();
    await using _engine = engine;
    await ask("PUT", `${alias}.dead`);
    await ask("PUT", `${alias}.v1/_block/write`);
    // Searches do not mind.
    expect((await engine.search(shop.index, { text: "", pageSize: 1 })).totalHits).toBe(0);
    const [one, two] = await Promise.all([
      engine.apply(shop.index, [put]),
      engine.apply(shop.index, [{ kind: "put", id: "b", document }]),
    ]);
    expect([...one, ...two]).toEqual([{ outcome: "applied" }, { outcome: "applied" }]);
    expect(await indexesOf(alias)).toEqual([`${alias}.v1`]);
    await engine.deleteIndex(shop.index);
  });

  test("a block that is not a reindex's holds up nobody for good either", { timeout: limitMs }, async () => {
    const { engine, alias } = await open();
    await using _engine = engine;
    await ask("PUT", `${alias}.v1/_block/write`);
    expect(await engine.apply(shop.index, [put])).toEqual([{ outcome: "applied" }]);
    await engine.deleteIndex(shop.index);
  });

  test("what was replaced stays for those who read it, and goes then", { timeout: limitMs }, async () => {
    const { engine, alias } = await open();
    await using _engine = engine;
    await engine.apply(
      shop.index,
      Array.from({ length: 600 }, (_, at) => ({ kind: "put", id: `d${at}`, document }) as const),
    );
    const { signal } = new AbortController();
    const scan = engine.scan(shop.index, { text: "" }, signal)[Symbol.asyncIterator]();
    expect((await scan.next()).done).toBe(false);
    await engine.reindex(shop.index);
    expect(await indexesOf(alias)).toHaveLength(2);
    let scanned = 1;
    for await (const _ of { [Symbol.asyncIterator]: () => scan }) scanned += 1;
    expect(scanned).toBe(600);
    await within(30_000, "the index that was replaced is removed", async () => (await indexesOf(alias)).length === 1);
    expect((await engine.getIndex(shop.index)).documentCount).toBe(600);
    await engine.deleteIndex(shop.index);
    expect(await indexesOf(alias)).toEqual([]);
  });
});
