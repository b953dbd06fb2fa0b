import type { SearchEngine } from "@weft/search";
import { afterAll, beforeAll, expect, test } from "vitest";
import { usersIndex } from "../domain/users-index.ts";
import { openTestEngine } from "../testing.ts";
import { deleteDocument, deleteIndex, listIndexes } from "./indexes.ts";

const stack = new AsyncDisposableStack();
let engine: SearchEngine;
beforeAll(async () => {
  engine = await openTestEngine(stack);
  await engine.createIndex(usersIndex);
});
afterAll(() => stack.disposeAsync());

test("indexes are listed in pages", async () => {
  for (const index of ["b", "a", "c"]) await engine.createIndex({ ...usersIndex, index });
  const names: string[] = [];
  for (let pageToken: string | undefined; pageToken !== "";) {
    const page = await listIndexes(engine, { pageSize: 2, pageToken: pageToken ?? "" });
    names.push(...page.indexes.map(({ definition }) => definition.index));
    pageToken = page.nextPageToken;
  }
  expect(names).toEqual(["a", "b", "c", "users"]);
  await expect(listIndexes(engine, { pageSize: 2, pageToken: "x" })).rejects.toMatchObject({
    reason: "INVALID_PAGE_TOKEN",
  });
});

test("the index of people is not for callers to change", async () => {
  const refused = { reason: "FAILED_PRECONDITION" };
  await expect(deleteIndex(engine, "users")).rejects.toMatchObject(refused);
  await expect(deleteDocument(engine, "users", "a")).rejects.toMatchObject(refused);
});

test("a document that is not there can be deleted, an index that is not there can't", async () => {
  await engine.apply("a", [{ kind: "put", id: "1", document: { id: "1" } }]);
  await deleteDocument(engine, "a", "1");
  await deleteDocument(engine, "a", "1");
  await expect(engine.getDocument("a", "1")).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await deleteIndex(engine, "a");
  await expect(deleteIndex(engine, "a")).rejects.toMatchObject({ reason: "NOT_FOUND" });
});
