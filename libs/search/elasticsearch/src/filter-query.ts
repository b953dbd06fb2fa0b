import type { IndexDefinition, TypedFilter } from "@weft/search";
import { valuePath } from "./mapping.ts";
import { storedValue } from "./stored.ts";
import { wordsQuery } from "./words-query.ts";

/** Integers stand within these, so a number beyond compares like them; Elasticsearch refuses one beyond 2^63. */
const beyondIntegers = 2 ** 54;

const ranges = { "<": "lt", "<=": "lte", ">": "gt", ">=": "gte" } as const;

/** A typed filter as a query (law F6). */
export function filterQuery(definition: IndexDefinition, filter: TypedFilter): object {
  switch (filter.kind) {
    case "and":
      if (filter.operands.length === 0) return { match_all: {} };
      return { bool: { filter: filter.operands.map((operand) => filterQuery(definition, operand)) } };
    case "or":
      if (filter.operands.length === 0) return { match_none: {} };
      return { bool: { should: filter.operands.map((operand) => filterQuery(definition, operand)) } };
    case "not":
      return { bool: { must_not: [filterQuery(definition, filter.operand)] } };
    case "present":
      return { exists: { field: valuePath(filter.field) } };
    case "compare":
      return compareQuery(definition, filter);
    case "wildcard":
      // Only `*` is a wildcard of the filter.
      return { wildcard: { [valuePath(filter.field)]: { value: filter.pattern.replaceAll(/[\\?]/g, "\\$&") } } };
    case "words":
      return wordsQuery(definition, filter.text, [filter.field]) ?? { match_none: {} };
  }
}

/** Ranges of keywords are by UTF-8 bytes, which is by code points. */
function compareQuery(definition: IndexDefinition, filter: Extract<TypedFilter, { kind: "compare" }>): object {
  const { field, comparator } = filter;
  const path = valuePath(field);
  const value = bounded(storedValue(filter.value), definition.fields.get(field)?.kind === "integer");
  switch (comparator) {
    case "=":
      return { term: { [path]: { value } } };
    case "!=":
      // That there is no such value would be another question than that there is one that differs.
      return { bool: { should: [{ range: { [path]: { lt: value } } }, { range: { [path]: { gt: value } } }] } };
    default:
      return { range: { [path]: { [ranges[comparator]]: value } } };
  }
}

function bounded(value: string | number, integer: boolean): string | number {
  if (!integer || typeof value === "string") return value;
  return Math.max(-beyondIntegers, Math.min(beyondIntegers, value));
}
