import type { Comparator, Comparison, Filter } from "@weft/filter";
import { WeftError } from "@weft/kit";
import type { FieldType, IndexDefinition } from "./definition.ts";
import type { FieldValue } from "./document.ts";
import { parseInstant } from "./instant.ts";

/**
 * A filter that has been checked against a definition. A comparison holds if one value of the field does (law F6), so
 * it never holds for a missing field; `not` is the plain complement.
 */
export type TypedFilter =
  | { readonly kind: "and" | "or"; readonly operands: readonly TypedFilter[] }
  | { readonly kind: "not"; readonly operand: TypedFilter }
  /** The field has a value: `field:*`. */
  | { readonly kind: "present"; readonly field: string }
  /** Text is compared by code points; dates are milliseconds since the epoch. */
  | {
      readonly kind: "compare";
      readonly field: string;
      readonly comparator: Exclude<Comparator, ":">;
      readonly value: FieldValue;
    }
  /** Matches whole values; `*` stands for any characters. */
  | { readonly kind: "wildcard"; readonly field: string; readonly pattern: string }
  /** Every word is in the field of type text: `field:"some words"`. */
  | { readonly kind: "words"; readonly field: string; readonly text: string };

/**
 * Gives a filter's values the types of their fields. An unknown field, or a value that is not of the field's type, is
 * `INVALID_FILTER`.
 *
 * `:` on a text field matches by words, on any other it is `=`. A bare `*` in `=` or `:` on a keyword or text field is
 * a wildcard; `field:*` asks for any value. Numbers and booleans stand bare, dates bare or quoted.
 */
export function typeFilter(definition: IndexDefinition, filter: Filter): TypedFilter {
  switch (filter.kind) {
    case "and":
    case "or":
      return { kind: filter.kind, operands: filter.operands.map((operand) => typeFilter(definition, operand)) };
    case "not":
      return { kind: "not", operand: typeFilter(definition, filter.operand) };
    case "comparison":
      return typeComparison(definition, filter);
  }
}

function typeComparison(definition: IndexDefinition, { field, comparator, value }: Comparison): TypedFilter {
  const type = definition.fields.get(field);
  if (type === undefined) throw new WeftError("INVALID_FILTER", `the index has no field ${field}`);
  const bareStar = !value.quoted && value.text.includes("*");
  if (comparator === ":" && bareStar && value.text === "*") return { kind: "present", field };
  if (bareStar && (type.kind === "keyword" || type.kind === "text") && (comparator === "=" || comparator === ":")) {
    return { kind: "wildcard", field, pattern: value.text };
  }
  if (comparator === ":" && type.kind === "text") return { kind: "words", field, text: value.text };
  const read = readLiteral(type, value.text, value.quoted);
  if (read === undefined) {
    throw new WeftError("INVALID_FILTER", `${field} is of type ${type.kind}, ${JSON.stringify(value.text)} is not`);
  }
  if (typeof read === "boolean" && comparator !== "=" && comparator !== "!=" && comparator !== ":") {
    throw new WeftError("INVALID_FILTER", `${field} is true or false and has no order`);
  }
  return { kind: "compare", field, comparator: comparator === ":" ? "=" : comparator, value: read };
}

function readLiteral(type: FieldType, text: string, quoted: boolean): FieldValue | undefined {
  switch (type.kind) {
    case "text":
    case "keyword":
      return text;
    case "integer":
    case "number":
      // A fraction may be compared with an integer field too: `installedKiB > 0.5` has a meaning.
      return !quoted && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(text) ? finite(Number(text)) : undefined;
    case "boolean":
      return quoted ? undefined : text === "true" ? true : text === "false" ? false : undefined;
    case "date":
      return parseInstant(text);
  }
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? value : undefined;
}
