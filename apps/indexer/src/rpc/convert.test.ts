import { create } from "@bufbuild/protobuf";
import { IndexDefinitionSchema } from "@weft/contracts/indexer";
import { expect, test } from "vitest";
import { fromMessage, toMessage } from "./convert.ts";

const message = create(IndexDefinitionSchema, {
  index: "shop",
  fields: [
    { name: "a", type: { case: "text", value: { suggest: true } } },
    { name: "b", type: { case: "keyword", value: { facet: true } } },
    { name: "c", type: { case: "integer", value: { facet: true } } },
    { name: "d", type: { case: "number", value: {} } },
    { name: "e", type: { case: "date", value: {} } },
    { name: "f", type: { case: "boolean", value: {} } },
  ],
});

test("a definition gets its defaults, and is told as it was given", () => {
  const definition = fromMessage(message);
  expect(definition).toMatchObject({ index: "shop", idField: "id" });
  expect("languageField" in definition).toBe(false);
  expect(definition.fields.get("a")).toEqual({ kind: "text", weight: 1, suggest: true });
  const told = create(IndexDefinitionSchema, toMessage({ definition, createTime: 1500, documentCount: 7 }));
  expect(told).toMatchObject({ documentCount: 7, createTime: { seconds: 1n, nanos: 500_000_000 } });
  expect(fromMessage(told)).toEqual(definition);
});

test("a field named twice is INVALID_ARGUMENT", () => {
  const twice = create(IndexDefinitionSchema, {
    ...message,
    fields: [...message.fields, ...message.fields.slice(0, 1)],
  });
  expect(() => fromMessage(twice)).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
});
