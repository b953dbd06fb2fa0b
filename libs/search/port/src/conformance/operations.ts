import assert from "node:assert/strict";
import { isWeftError } from "@weft/kit";
import type { Operation } from "@weft/kit/testing";
import type { SearchEngine } from "../index.ts";
import { shop } from "./fixture.ts";

const id = "fault";

/** What a caller does with a search engine, for {@link describeFaults}. */
export const searchOperations: readonly Operation<SearchEngine>[] = [
  { title: "createIndex of one that is there", writes: false, run: (engine) => engine.createIndex(shop) },
  {
    title: "apply",
    writes: true,
    run: async (engine) => {
      await engine.createIndex(shop);
      const document = { id, name: "apple", title: "apples and pears" };
      const results = await engine.apply(shop.index, [
        { kind: "put", id, document },
        { kind: "put", id, version: 1n, document },
        { kind: "delete", id: "other" },
      ]);
      assert.deepEqual(
        results.map(({ outcome }) => outcome),
        ["applied", "superseded", "applied"],
      );
    },
  },
  { title: "getIndex", writes: false, run: (engine) => engine.getIndex(shop.index) },
  { title: "listIndexes", writes: false, run: (engine) => engine.listIndexes() },
  {
    title: "deleteIndex of none",
    writes: false,
    run: async (engine) => {
      await engine.deleteIndex("none").catch((error: unknown) => {
        if (!isWeftError(error, "NOT_FOUND")) throw error;
      });
    },
  },
  { title: "getDocument", writes: false, run: (engine) => engine.getDocument(shop.index, id) },
  {
    title: "search",
    writes: false,
    run: (engine) => engine.search(shop.index, { text: "apple", pageSize: 10, facets: ["tags"], highlight: true }),
  },
  { title: "suggest", writes: false, run: (engine) => engine.suggest(shop.index, { prefix: "app", limit: 5 }) },
  {
    title: "scan",
    writes: false,
    run: (engine) => Array.fromAsync(engine.scan(shop.index, { text: "" }, new AbortController().signal)),
  },
];
