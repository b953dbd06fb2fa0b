import { parseFilter } from "@weft/filter";
import type { JsonObject } from "@weft/kit";
import { expect, test } from "vitest";
import {
  changeFailure,
  checkDefinition,
  decodeDefinition,
  documentLanguage,
  encodeDefinition,
  type FieldType,
  type IndexDefinition,
  parseInstant,
  sameDefinition,
  typeFilter,
} from "./index.ts";

const definition: IndexDefinition = {
  index: "shop",
  idField: "id",
  languageField: "lang",
  fields: new Map<string, FieldType>([
    ["title", { kind: "text", weight: 2, suggest: false }],
    ["made", { kind: "date" }],
    ["size", { kind: "integer", facet: false }],
  ]),
};

test.each([
  ["1970-01-01T00:00:00Z", 0],
  ["1970-01-01t00:00:01.5z", 1500],
  ["1970-01-01T00:00:00.123456789Z", 123],
  ["1970-01-01T01:00:00+01:00", 0],
  ["1969-12-31T23:30:00-00:30", 0],
  ["1970-01-02", 86_400_000],
  ["0001-01-01T00:00:00Z", -62_135_596_800_000],
  ["2024-02-29T00:00:00Z", Date.UTC(2024, 1, 29)],
])("%s is %i ms", (text, ms) => {
  expect(parseInstant(text)).toBe(ms);
});

test.each([
  "",
  "now",
  "2026",
  "2025-02-29",
  "2026-13-01",
  "2026-01-01T24:00:00Z",
  "2026-01-01T00:00:00",
  "2026-01-01 00:00:00Z",
])("%j is no time", (text) => {
  expect(parseInstant(text)).toBeUndefined();
});

test("a declared language counts, else the text decides", () => {
  const of = (document: Record<string, string>): string => documentLanguage(definition, document);
  expect(of({ lang: "de-AT", title: "The house" })).toBe("de");
  expect(of({ lang: "fr", title: "The house" })).toBe("other");
  expect(of({ lang: "", title: "Das Haus ist nicht groß" })).toBe("de");
  expect(of({ title: "The house is in the garden" })).toBe("en");
  expect(of({ title: "Compiler" })).toBe("en");
  expect(of({ title: "GNU C++ 编译器" })).toBe("zh");
  expect(of({ title: "図のツール" })).toBe("ja");
  expect(of({ title: "Война и мир" })).toBe("other");
  expect(of({})).toBe("en");
});

test("a definition is read back, its fields in their order", () => {
  for (const fields of [[...definition.fields], [...definition.fields].toReversed()]) {
    const text = encodeDefinition({ ...definition, fields: new Map(fields) });
    expect(encodeDefinition(decodeDefinition(text))).toBe(text);
    expect(decodeDefinition(text)).toEqual(definition);
    expect([...decodeDefinition(text).fields]).toEqual(fields);
  }
});

test("definitions are the same whatever the order of their fields, and of what is said of a field", () => {
  const same = (change: Partial<IndexDefinition>): boolean => sameDefinition(definition, { ...definition, ...change });
  const reversed = [...definition.fields]
    .toReversed()
    .map(([name, type]) => [name, Object.fromEntries(Object.entries(type).toReversed()) as FieldType] as const);
  expect(same({ fields: new Map(reversed) })).toBe(true);
  expect(same({ index: "other" })).toBe(false);
  expect(same({ idField: "other" })).toBe(false);
  expect(same({ languageField: "other" })).toBe(false);
  expect(same({ fields: new Map([...definition.fields].slice(1)) })).toBe(false);
  expect(same({ fields: new Map(definition.fields).set("size", { kind: "integer", facet: true }) })).toBe(false);
  expect(same({ fields: new Map(definition.fields).set("title", { kind: "date" }) })).toBe(false);
});

test("a bad definition is INVALID_ARGUMENT and says where", () => {
  const bad = (change: Partial<IndexDefinition>, field: string): void =>
    expect(() => checkDefinition({ ...definition, ...change })).toThrow(
      expect.objectContaining({ reason: "INVALID_ARGUMENT", violations: [expect.objectContaining({ field })] }),
    );
  bad({ index: "../x" }, "index");
  bad({ idField: "" }, "id_field");
  bad({ fields: new Map() }, "fields");
  bad({ fields: new Map([["a b", { kind: "date" }]]) }, "fields.name");
  bad({ fields: new Map([["a", { kind: "text", weight: Number.NaN, suggest: false }]]) }, "fields.text.weight");
});

test("what is wrong with a change is said in words", () => {
  const detail = (document: JsonObject, id = "1"): string | undefined => {
    const result = changeFailure(definition, { kind: "put", id, document });
    return result?.outcome === "failed" ? result.detail : undefined;
  };
  expect(detail({ size: 3, title: ["a", "b"], made: "2026-01-01T00:00:00Z", other: { any: [1] } })).toBeUndefined();
  expect(detail({ size: "3" })).toBe("size is not an integer");
  expect(detail({ made: 5 })).toBe("made is not an RFC 3339 time");
  expect(detail({ title: [1] })).toBe("title is not text");
  expect(detail({}, "")).toBe("the document has no id");
  expect(detail({}, "\ud800")).toBe("the id is not well-formed Unicode");
  expect(changeFailure(definition, { kind: "delete", id: "1", version: -1n })).toMatchObject({ outcome: "failed" });
});

test("a filter gets the types of its fields", () => {
  const typed = (text: string): unknown => typeFilter(definition, parseFilter(text));
  expect(typed("size>0.5")).toEqual({ kind: "compare", field: "size", comparator: ">", value: 0.5 });
  expect(typed("made=1970-01-01")).toEqual({ kind: "compare", field: "made", comparator: "=", value: 0 });
  expect(typed("title:*")).toEqual({ kind: "present", field: "title" });
  expect(typed('title:"*"')).toEqual({ kind: "words", field: "title", text: "*" });
  expect(typed("title=a*")).toEqual({ kind: "wildcard", field: "title", pattern: "a*" });
  expect(() => typed("size=1e999")).toThrow(expect.objectContaining({ reason: "INVALID_FILTER" }));
});
