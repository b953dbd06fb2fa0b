import assert from "node:assert/strict";
import { parseFilter } from "@weft/filter";
import { isWeftError, type JsonObject, WeftError } from "@weft/kit";
import { type Law, within } from "@weft/kit/testing";
import type { DocumentChange, IndexDefinition, ReindexProgress, SearchEngine } from "../index.ts";
import { type SearchFixture, shop } from "./fixture.ts";
import { reindexWriters } from "./reindex-writers.ts";
import { find, put, shopWith, visible } from "./tools.ts";

const { signal } = new AbortController();
/** How long another process may go by the old definition, in milliseconds, with room for a busy machine. */
const renewedMs = 2000;

/** More than an engine copies at once, and fewer. */
const many = documents(250);
const few = documents(20);

/** The shop with a keyword that is a facet now, another weight, another suggested field, one field less and one more. */
const anew: IndexDefinition = {
  ...shop,
  fields: new Map([
    ["colour", { kind: "keyword", facet: true, suggest: false }],
    ["name", { kind: "keyword", facet: true, suggest: false }],
    ["title", { kind: "text", weight: 1, suggest: false }],
    ["body", { kind: "text", weight: 5, suggest: true }],
    ["tags", { kind: "keyword", facet: true, suggest: false }],
    ["lang", { kind: "keyword", facet: true, suggest: false }],
    ["size", { kind: "integer", facet: true }],
  ]),
};

/** Laws of an index that is built anew: F13. */
export const reindexLaws: readonly Law<SearchFixture>[] = [
  {
    title: "F13 another definition is that of every document and every process",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {
        a: { name: "plum", title: "lighthouse", body: "something else", colour: "red" },
        b: { name: "plum", title: "something else", body: "lighthouse keeper", colour: "green" },
      });
      const other = await fixture.open();
      assert.deepEqual(await find(other, "lighthouse"), ["a", "b"]);
      const { createTime } = await engine.getIndex(shop.index);
      const seen: ReindexProgress[] = [];
      const info = await engine.reindex(shop.index, { definition: anew, onProgress: (now) => void seen.push(now) });
      assert.deepEqual(info, { definition: anew, createTime, documentCount: 2 });
      assert.deepEqual([...info.definition.fields.keys()], [...anew.fields.keys()]);
      assert.deepEqual(seen[0], { processed: 0, total: 2 });
      assert.deepEqual(seen.at(-1), { processed: 2, total: 2 });
      await within(renewedMs, "the definition is that of the other process", async () => {
        const { definition } = await other.getIndex(shop.index);
        const found = await find(other, "lighthouse");
        return definition.fields.has("colour") && found.join() === "b,a";
      });
      for (const one of [engine, other]) {
        const { facets } = await one.search(shop.index, { text: "", pageSize: 1, facets: ["name", "colour"] });
        assert.deepEqual(facets.get("name"), [{ value: "plum", count: 2 }]);
        assert.equal(facets.get("colour")?.length, 2);
        assert.deepEqual(await find(one, { filter: parseFilter('colour="red"') }), ["a"]);
        assert.deepEqual(await one.suggest(shop.index, { prefix: "plu", limit: 5 }), []);
        const keepers = await one.suggest(shop.index, { prefix: "lighthouse k", limit: 5 });
        assert.deepEqual(keepers, [{ text: "lighthouse keeper", id: "b" }]);
        await assert.rejects(one.createIndex(shop), { code: "ALREADY_EXISTS" });
        await one.createIndex(anew);
      }
      await put(other, { c: { name: "pear", colour: "blue" } });
      await visible(engine, "pear", 1);
      assert.deepEqual(await find(engine, { filter: parseFilter('colour="blue"') }), ["c"]);
    },
  },
  {
    title: "F13 what is written while documents are copied is there, and what is deleted stays so",
    run: async (fixture) => {
      const [engine, other] = [await shopWith(fixture, {}), await fixture.open()];
      await engine.apply(
        shop.index,
        Object.entries(many).map(([id, document]) => change(id, 1n, String(document["name"]))),
      );
      // Deletions from before, one of a document that never was.
      await engine.apply(shop.index, [
        { kind: "delete", id: "gone", version: 7n },
        { kind: "delete", id: nameOf(200), version: 7n },
      ]);
      let calls = 0n;
      await engine.reindex(shop.index, {
        definition: anew,
        onProgress: async () => {
          calls += 1n;
          // Documents that are copied first, last, and not at all so far; the last call comes after all are copied.
          const results = await other.apply(shop.index, [
            ...[0, 160, 249].map((at) => change(nameOf(at), 10n + calls, `plum${calls}`)),
            ...[1, 161, 248].map((at) => ({ kind: "delete", id: nameOf(at), version: 100n }) as const),
            ...[2, 162, 247].map((at) => ({ kind: "delete", id: nameOf(at) }) as const),
            change(`new${calls}`, 2n ** 53n + 1n, "pear"),
            { kind: "delete", id: `never${calls}`, version: 100n },
            { kind: "put", id: "unversioned", document: { id: "unversioned", name: `kiwi${calls}` } },
          ]);
          const outcomes = results.map(({ outcome }) => outcome);
          assert.ok(
            outcomes.every((outcome, at) => outcome === (calls > 1n && at > 2 && at < 6 ? "superseded" : "applied")),
          );
        },
      });
      assert.ok(calls >= 3n, "documents are copied part by part");
      for (const at of [0, 160, 249]) {
        assert.equal((await engine.getDocument(shop.index, nameOf(at)))["name"], `plum${calls}`);
      }
      for (const at of [1, 2, 161, 162, 200, 247, 248]) {
        await assert.rejects(engine.getDocument(shop.index, nameOf(at)), { code: "NOT_FOUND" });
      }
      assert.equal((await engine.getDocument(shop.index, "unversioned"))["name"], `kiwi${calls}`);
      await visible(engine, "", 250 - 7 + Number(calls) + 1);
      assert.equal((await other.getIndex(shop.index)).documentCount, 250 - 7 + Number(calls) + 1);
      // Late ones, each below what the index has seen.
      const late = [
        change("gone", 6n, "late"),
        change(nameOf(200), 6n, "late"),
        ...[1, 161, 248].map((at) => change(nameOf(at), 99n, "late")),
        ...[0, 160, 249].map((at) => change(nameOf(at), 10n + calls, "late")),
        ...Array.from({ length: Number(calls) }, (_, at) => change(`never${at + 1}`, 99n, "late")),
        change(`new1`, 2n ** 53n + 1n, "late"),
      ];
      for (const one of [engine, other]) {
        const results = await one.apply(shop.index, late);
        assert.deepEqual(new Set(results.map(({ outcome }) => outcome)), new Set(["superseded"]));
      }
      assert.deepEqual((await other.apply(shop.index, [change("new1", 2n ** 53n + 2n, "new")]))[0]?.outcome, "applied");
    },
  },
  {
    title: "F13 no search and no write of any process fails meanwhile, and none of either is lost",
    run: async (fixture) => {
      const engine = await shopWith(fixture, many);
      await reindexWriters(fixture, () => engine.reindex(shop.index, { definition: anew }));
    },
  },
  {
    title: "F13 pages and scans that began before it go on after it",
    run: async (fixture) => {
      const [engine, other] = [await shopWith(fixture, many), await fixture.open()];
      const first = await other.search(shop.index, { text: "apple", pageSize: 200 });
      const scan = other.scan(shop.index, { text: "apple" }, signal)[Symbol.asyncIterator]();
      assert.equal((await scan.next()).value?.["id"], nameOf(0));
      await engine.reindex(shop.index, { definition: anew });
      await engine.apply(shop.index, [{ kind: "delete", id: first.hits[0]?.id ?? "" }]);
      const second = await other.search(shop.index, { text: "apple", pageSize: 200, after: first.next ?? "" });
      const ids = [...first.hits, ...second.hits].map(({ id }) => id);
      assert.deepEqual(ids.toSorted(), Object.keys(many));
      let scanned = 1;
      for await (const _ of { [Symbol.asyncIterator]: () => scan }) scanned += 1;
      assert.equal(scanned, ids.length);
    },
  },
  {
    title: "F13 one that is given up leaves the index as it was",
    run: async (fixture) => {
      const engine = await shopWith(fixture, few);
      const controller = new AbortController();
      const giveUp = async ({ processed }: ReindexProgress): Promise<void> => {
        if (processed > 0) controller.abort();
      };
      const options = { definition: anew, onProgress: giveUp, signal: controller.signal };
      await assert.rejects(engine.reindex(shop.index, options), { code: "CANCELLED" });
      await assert.rejects(engine.reindex(shop.index, { signal: controller.signal }), { code: "CANCELLED" });
      const onProgress = async (): Promise<never> => Promise.reject(new WeftError("UNAVAILABLE", "not now"));
      await assert.rejects(engine.reindex(shop.index, { onProgress }), { code: "UNAVAILABLE" });
      await isUntouched(engine);
    },
  },
  {
    title: "F13 one whose process dies leaves the index as it was",
    run: async (fixture) => {
      const engine = await shopWith(fixture, few);
      await fixture.reindexElsewhereAndDie(anew);
      await isUntouched(engine);
    },
  },
  {
    title: "F13 documents that do not fit the definition end it, and are named",
    run: async (fixture) => {
      const engine = await shopWith(fixture, { b: { depth: "7" }, a: { depth: 7 }, ...many });
      const definition: IndexDefinition = { ...shop, fields: new Map([...shop.fields, ["depth", { kind: "number" }]]) };
      const error = await engine.reindex(shop.index, { definition }).then(
        () => assert.fail("it has to fail"),
        (reason: unknown) => reason,
      );
      assert.ok(isWeftError(error, "FAILED_PRECONDITION"));
      assert.deepEqual(error.violations, [{ field: "b", description: "depth is not a number" }]);
      await engine.apply(shop.index, [{ kind: "delete", id: "a" }]);
      let calls = 0;
      const info = await engine.reindex(shop.index, {
        definition,
        onProgress: async () => {
          // It changes for the better after it has been looked at.
          if ((calls += 1) === 3) await put(engine, { b: { depth: 7 } });
        },
      });
      assert.deepEqual([info.documentCount, info.definition.fields.size], [251, shop.fields.size + 1]);
    },
  },
  {
    title: "F13 of two at once the last to begin goes on",
    run: async (fixture) => {
      const [engine, other] = [await shopWith(fixture, few), await fixture.open()];
      let isFirst = true;
      const first = engine.reindex(shop.index, {
        onProgress: async ({ processed }) => {
          if (processed === 0 || !isFirst) return;
          isFirst = false;
          await other.reindex(shop.index, { definition: anew });
        },
      });
      await assert.rejects(first, { reason: "CONFLICT" });
      assert.ok((await engine.getIndex(shop.index)).definition.fields.has("colour"));
      await visible(engine, "apple", 20);
    },
  },
  {
    title: "F13 an index that is deleted meanwhile is gone, and one made in its place stays as it is",
    run: async (fixture) => {
      const [engine, other] = [await shopWith(fixture, few), await fixture.open()];
      const replaced = engine.reindex(shop.index, {
        onProgress: async ({ processed }) => {
          if (processed > 0) await other.deleteIndex(shop.index);
          if (processed > 0) await other.createIndex(anew);
        },
      });
      await assert.rejects(replaced, (error) => isWeftError(error, "NOT_FOUND", "CONFLICT"));
      await put(other, { a: { name: "pear" } });
      await visible(other, "", 1);
      assert.ok((await other.getIndex(shop.index)).definition.fields.has("colour"));
    },
  },
  {
    title: "F13 what can't be reindexed is refused",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {});
      await assert.rejects(engine.reindex("none"), { code: "NOT_FOUND" });
      for (const definition of [
        { ...shop, index: "other" },
        { ...shop, idField: "name" },
        { ...shop, fields: new Map() },
      ]) {
        await assert.rejects(engine.reindex(shop.index, { definition }), { code: "INVALID_ARGUMENT" });
      }
    },
  },
];

/** Everything works by the old definition, and the next reindex does what it is told. */
async function isUntouched(engine: SearchEngine): Promise<void> {
  assert.ok(!(await engine.getIndex(shop.index)).definition.fields.has("colour"));
  assert.deepEqual((await find(engine, "apple")).toSorted(), Object.keys(few));
  await put(engine, { [nameOf(0)]: { name: "plum" }, [nameOf(20)]: { name: "plum" } });
  await visible(engine, "plum", 2);
  const info = await engine.reindex(shop.index, { definition: anew });
  assert.deepEqual([info.documentCount, info.definition.fields.has("colour")], [21, true]);
  await visible(engine, "plum", 2);
  await visible(engine, "apple", 19);
}

function change(id: string, version: bigint, name: string): DocumentChange {
  return { kind: "put", id, version, document: { id, name } };
}

function nameOf(at: number): string {
  return `d${String(at).padStart(3, "0")}`;
}

function documents(count: number): Readonly<Record<string, JsonObject>> {
  const one = (_: unknown, at: number): [string, JsonObject] => {
    const colour = at % 3 === 0 ? "red" : "green";
    return [nameOf(at), { name: nameOf(at), title: "apple pie", colour, size: at % 5 }];
  };
  return Object.fromEntries(Array.from({ length: count }, one));
}
