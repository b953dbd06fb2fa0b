import assert from "node:assert/strict";
import type { JsonValue } from "@weft/kit";
import type { Law } from "@weft/kit/testing";
import { type SearchFixture, shop } from "./fixture.ts";
import { find, put, shopWith, visible } from "./tools.ts";

const signal = new AbortController().signal;

/** Laws of what is written: F1, F2, F3, F7 and F10. */
export const writeLaws: readonly Law<SearchFixture>[] = [
  {
    title: "F1 what was applied is found by another process, and gone when it was deleted",
    run: async (fixture) => {
      const first = await shopWith(fixture, { a: { name: "apple" } });
      const second = await fixture.open();
      await visible(second, "apple", 1);
      await put(first, { a: { name: "pear" }, b: { name: "pear" } });
      await visible(second, "pear", 2);
      await visible(second, "apple", 0);
      await second.apply(shop.index, [{ kind: "delete", id: "a" }]);
      await visible(first, "pear", 1);
      assert.equal((await first.getIndex(shop.index)).documentCount, 1);
    },
  },
  {
    title: "F1 what was applied outlives the crash of the process that applied it",
    run: async (fixture) => {
      const engine = await fixture.open();
      await fixture.putElsewhereAndDie(shop, "a", "apple");
      await visible(engine, "apple", 1);
      await put(engine, { b: { name: "apple" } });
      await visible(engine, "apple", 2);
    },
  },
  {
    title: "F2 an older or equal version changes nothing and is superseded",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {});
      const change = (version: bigint, name: string) =>
        ({ kind: "put", id: "a", version, document: { id: "a", name } }) as const;
      const results = await engine.apply(shop.index, [change(5n, "five"), change(4n, "four"), change(5n, "again")]);
      assert.deepEqual(outcomes(results), ["applied", "superseded", "superseded"]);
      assert.deepEqual(outcomes(await engine.apply(shop.index, [{ kind: "delete", id: "a", version: 5n }])), [
        "superseded",
      ]);
      assert.deepEqual(await engine.getDocument(shop.index, "a"), { id: "a", name: "five" });
      assert.deepEqual(outcomes(await engine.apply(shop.index, [change(6n, "six")])), ["applied"]);
      assert.deepEqual(await engine.getDocument(shop.index, "a"), { id: "a", name: "six" });
    },
  },
  {
    title: "F2 a deletion is remembered: an older put does not bring the document back",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {});
      const document = { id: "a", name: "apple" };
      const results = await engine.apply(shop.index, [
        { kind: "put", id: "a", version: 1n, document },
        { kind: "delete", id: "a", version: 3n },
        { kind: "put", id: "a", version: 2n, document },
        // A deletion may come before everything else.
        { kind: "delete", id: "b", version: 2n },
        { kind: "put", id: "b", version: 1n, document: { ...document, id: "b" } },
      ]);
      assert.deepEqual(outcomes(results), ["applied", "applied", "superseded", "applied", "superseded"]);
      await visible(engine, "", 0);
      await assert.rejects(engine.getDocument(shop.index, "a"), { code: "NOT_FOUND" });
      assert.deepEqual(outcomes(await put(engine, { a: { name: "apple" } })), ["applied"]);
      await visible(engine, "apple", 1);
    },
  },
  {
    title: "F2 versions beyond 2^53 are told apart, and an unset one is the next",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {});
      const big = 2n ** 53n;
      const change = (version: bigint | undefined) =>
        ({ kind: "put", id: "a", document: { id: "a" }, ...(version === undefined ? {} : { version }) }) as const;
      const results = await engine.apply(shop.index, [
        change(big + 1n),
        change(big),
        change(undefined),
        change(big + 2n),
        change(big + 3n),
      ]);
      assert.deepEqual(outcomes(results), ["applied", "superseded", "applied", "superseded", "applied"]);
    },
  },
  {
    title: "F3 each change has its own result, and a bad document fails alone",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {});
      const bad = [
        { size: "big" },
        { size: 1.5 },
        { made: "yesterday" },
        { sold: "yes" },
        { title: 7 },
        { tags: [{}] },
      ];
      const results = await engine.apply(shop.index, [
        { kind: "put", id: "first", document: { size: 1 } },
        ...bad.map((document) => ({ kind: "put", id: "bad", document }) as const),
        { kind: "put", id: "", document: {} },
        { kind: "put", id: "deep", document: { other: nested(100_000) } },
        { kind: "put", id: "last", document: { tags: ["x", "y"], size: null, unknown: { any: ["thing"] } } },
      ]);
      assert.deepEqual(outcomes(results), ["applied", ...Array(8).fill("failed"), "applied"]);
      const reasons = new Set(results.map((result) => (result.outcome === "failed" ? result.reason : "")));
      assert.deepEqual(reasons, new Set(["", "INVALID_ARGUMENT"]));
      await visible(engine, "", 2);
      assert.deepEqual(await engine.getDocument(shop.index, "last"), {
        tags: ["x", "y"],
        size: null,
        unknown: { any: ["thing"] },
      });
    },
  },
  {
    title: "F7 the same definition again succeeds and keeps the documents, another one is ALREADY_EXISTS",
    run: async (fixture) => {
      const engine = await shopWith(fixture, { a: { name: "apple" } });
      const again = { ...shop, fields: new Map([...shop.fields].toReversed()) };
      assert.equal((await engine.createIndex(again)).definition.index, shop.index);
      assert.deepEqual(await find(engine, "apple"), ["a"]);
      const other = { ...shop, fields: new Map([...shop.fields, ["more", { kind: "number" } as const]]) };
      await assert.rejects(engine.createIndex(other), { code: "ALREADY_EXISTS" });
      await assert.rejects(engine.createIndex({ ...shop, index: "Shop!" }), { code: "INVALID_ARGUMENT" });
    },
  },
  {
    title: "F7 indexes are listed by name with their definitions, and an index made anew is empty",
    run: async (fixture) => {
      const engine = await shopWith(fixture, { a: { name: "apple" } });
      await engine.createIndex({ ...shop, index: "archive" });
      const listed = await engine.listIndexes();
      assert.deepEqual(
        listed.map((info) => [info.definition.index, info.documentCount]),
        [
          ["archive", 0],
          ["shop", 1],
        ],
      );
      assert.deepEqual([...(listed[1]?.definition.fields ?? [])], [...shop.fields]);
      await engine.deleteIndex(shop.index);
      await engine.createIndex(shop);
      await visible(engine, "", 0);
      await put(engine, { a: { name: "apple" } });
      await visible(engine, "apple", 1);
    },
  },
  {
    title: "F10 what is not there is NOT_FOUND",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {});
      const missing = { code: "NOT_FOUND" };
      await assert.rejects(engine.getDocument(shop.index, "a"), missing);
      await assert.rejects(engine.getIndex("none"), missing);
      await assert.rejects(engine.deleteIndex("none"), missing);
      await assert.rejects(engine.apply("none", []), missing);
      await assert.rejects(engine.getDocument("none", "a"), missing);
      await assert.rejects(engine.search("none", { text: "", pageSize: 1 }), missing);
      await assert.rejects(engine.suggest("none", { prefix: "a", limit: 1 }), missing);
      await assert.rejects(Array.fromAsync(engine.scan("none", { text: "" }, signal)), missing);
    },
  },
];

function nested(depth: number): JsonValue {
  let value: JsonValue = 1;
  for (let level = 0; level < depth; level += 1) value = [value];
  return value;
}

function outcomes(results: readonly { readonly outcome: string }[]): readonly string[] {
  return results.map((result) => result.outcome);
}
