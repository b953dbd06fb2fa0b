import { parseFilter } from "@weft/filter";
import type { IndexDefinition, SearchEngine, SearchPage } from "@weft/search";
import { expect, test } from "vitest";
import { openFixture } from "./fixture.ts";

const before: IndexDefinition = {
  index: "things",
  idField: "id",
  fields: new Map([
    ["name", { kind: "keyword", facet: false, suggest: false }],
    ["colour", { kind: "keyword", facet: true, suggest: false }],
    ["sold", { kind: "boolean", facet: true }],
    ["size", { kind: "integer", facet: false }],
  ]),
};
const after: IndexDefinition = { ...before, fields: new Map([...before.fields].slice(0, 1)) };

async function thingsIn(engine: SearchEngine): Promise<void> {
  await engine.createIndex(before);
  const documents = [
    { id: "a", name: "x", colour: ["red", "red", "blue"], sold: true, size: 1 },
    { id: "b", name: "x", colour: "red", sold: false, size: 2 },
    { id: "c", name: "x", colour: null, sold: true, size: 3 },
    { id: "d", name: "x", colour: "grey", sold: true, size: 0 },
  ];
  await engine.apply(
    "things",
    documents.map((document) => ({ kind: "put", id: document.id, document })),
  );
}

const query = {
  text: "",
  filter: parseFilter("size > 0"),
  sort: [{ field: "size", descending: true }],
  facets: ["colour", "sold"],
  pageSize: 2,
};

function idsOf({ hits }: SearchPage): readonly string[] {
  return hits.map(({ id }) => id);
}

test("F13 later pages go on by the definition that the first was asked under", async () => {
  await using fixture = await openFixture();
  const engine = await fixture.open();
  await thingsIn(engine);
  const first = await engine.search("things", query);
  await engine.reindex("things", { definition: after });
  const later = { ...query, after: first.next ?? "" };
  const second = await engine.search("things", later);
  expect([...idsOf(first), ...idsOf(second)]).toEqual(["c", "b", "a"]);
  expect(second.facets).toEqual(first.facets);
  expect(first.facets).toEqual(
    new Map<string, unknown>([
      [
        "colour",
        [
          { value: "red", count: 2 },
          { value: "blue", count: 1 },
        ],
      ],
      [
        "sold",
        [
          { value: true, count: 2 },
          { value: false, count: 1 },
        ],
      ],
    ]),
  );
  const unknown = { ...later, facets: ["name"] };
  await expect(engine.search("things", unknown)).rejects.toMatchObject({ reason: "INVALID_FILTER" });
  await expect(engine.search("things", query)).rejects.toMatchObject({ reason: "INVALID_FILTER" });
});
