import type { JsonObject, JsonValue } from "@weft/kit";
import type { FieldType, IndexDefinition } from "./definition.ts";
import { parseInstant } from "./instant.ts";
import type { ChangeResult, DocumentChange } from "./search.ts";

/** Longest id of a document and longest value of a keyword field, in UTF-16 code units. */
export const maxIdLength = 512;
export const maxKeywordLength = 8000;
/** Texts longer than this, in UTF-16 code units, are searched by words only: no `=`, `<`, sort or facet finds them. */
export const maxExactTextLength = 256;
/** Deepest nesting of lists and objects in a document: Elasticsearch takes no more, and readers of protobuf few more. */
export const maxDocumentDepth = 20;
const maxVersion = 2n ** 63n - 1n;

/** A value as filters, facets and sorts see it: dates as milliseconds since the epoch. */
export type FieldValue = string | number | boolean;

/** What is wrong with a change (law F3), or undefined. */
export function changeFailure(definition: IndexDefinition, change: DocumentChange): ChangeResult | undefined {
  const fail = (detail: string): ChangeResult => ({ outcome: "failed", reason: "INVALID_ARGUMENT", detail });
  if (change.id === "") return fail("the document has no id");
  if (change.id.length > maxIdLength) return fail(`the id is longer than ${maxIdLength} characters`);
  if (!change.id.isWellFormed()) return fail("the id is not well-formed Unicode");
  if (change.version !== undefined && (change.version < 0n || change.version > maxVersion)) {
    return fail("the version is not within 0 and 2^63-1");
  }
  if (change.kind === "delete") return undefined;
  if (isDeeper(change.document, maxDocumentDepth))
    return fail(`the document is nested deeper than ${maxDocumentDepth}`);
  for (const [name, type] of definition.fields) {
    for (const item of itemsOf(change.document, name)) {
      if (readValue(type, item) === undefined) return fail(`${name} is not ${expected(type)}`);
    }
  }
  return undefined;
}

function isDeeper(value: JsonValue, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return depth === 0 || Object.values(value).some((part) => isDeeper(part, depth - 1));
}

/** The values of a field: of a list its items; none when it is missing or null. Of a checked document only. */
export function fieldValues(document: JsonObject, name: string, type: FieldType): readonly FieldValue[] {
  return itemsOf(document, name).map((item) => readValue(type, item) ?? "");
}

function itemsOf(document: JsonObject, name: string): readonly JsonValue[] {
  const value = Object.hasOwn(document, name) ? document[name] : undefined;
  if (value === undefined || value === null) return [];
  return isList(value) ? value : [value];
}

function isList(value: JsonValue): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function readValue(type: FieldType, value: JsonValue): FieldValue | undefined {
  switch (type.kind) {
    case "text":
      return typeof value === "string" ? value : undefined;
    case "keyword":
      return typeof value === "string" && value.length <= maxKeywordLength ? value : undefined;
    case "integer":
      return Number.isSafeInteger(value) ? Number(value) : undefined;
    case "number":
      return typeof value === "number" && Number.isFinite(value) ? value : undefined;
    case "boolean":
      return typeof value === "boolean" ? value : undefined;
    case "date":
      return typeof value === "string" ? parseInstant(value) : undefined;
  }
}

function expected(type: FieldType): string {
  switch (type.kind) {
    case "text":
      return "text";
    case "keyword":
      return `text of at most ${maxKeywordLength} characters`;
    case "integer":
      return "an integer";
    case "number":
      return "a number";
    case "boolean":
      return "true or false";
    case "date":
      return "an RFC 3339 time";
  }
}
