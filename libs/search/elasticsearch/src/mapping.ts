import type { FieldType, IndexDefinition } from "@weft/search";
import { analyses, type Analysis, analyzerName } from "./template.ts";

/** Fields whose words are searched: text and keywords; the language of a document is not a word of it. */
export function wordFields(definition: IndexDefinition): readonly (readonly [name: string, type: FieldType])[] {
  return [...definition.fields].filter(
    ([name, { kind }]) => (kind === "text" || kind === "keyword") && name !== definition.languageField,
  );
}

/** Where the words of a field are, for documents of an analysis. */
export function wordPath(analysis: Analysis, field: string): string {
  return `${analysis}.${field}`;
}

/** Where the values of a field are, for filters, facets and sorts. */
export function valuePath(field: string): string {
  return `value.${field}`;
}

/**
 * The fields of an index. Elasticsearch never reads the document itself: what is found by is derived from it and stands
 * beside it, so that it means the same here as in every other engine, and a document may hold what it likes.
 */
export function mappingOf(definition: IndexDefinition): object {
  const fields = [...definition.fields];
  const words = wordFields(definition);
  return {
    dynamic: false,
    properties: {
      /** Orders what is otherwise equal: `_id` can't be sorted by. */
      id: { type: "keyword", index: false },
      /** False: a tombstone, which holds the version of a deletion (law F2). */
      live: { type: "boolean", doc_values: false },
      document: { type: "object", enabled: false },
      value: { properties: Object.fromEntries(fields.map(([name, { kind }]) => [name, { type: valueTypes[kind] }])) },
      suggest: { properties: { start: { type: "keyword" }, word: { type: "keyword" } } },
      ...Object.fromEntries(
        analyses.map((analysis) => [
          analysis,
          {
            properties: Object.fromEntries(
              words.map(([name]) => [name, { type: "text", analyzer: analyzerName(analysis) }]),
            ),
          },
        ]),
      ),
    },
  };
}

/** As the port sees values: dates are milliseconds since the epoch, booleans 0 and 1. */
const valueTypes: Readonly<Record<FieldType["kind"], string>> = {
  text: "keyword",
  keyword: "keyword",
  integer: "long",
  number: "double",
  date: "long",
  boolean: "long",
};
