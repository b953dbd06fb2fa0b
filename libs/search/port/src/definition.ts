import { isDeepStrictEqual } from "node:util";
import { WeftError } from "@weft/kit";

/** How a field is searched. */
export type FieldType =
  /** Analysed by language. `weight` counts a match against other fields; default 1. */
  | { readonly kind: "text"; readonly weight: number; readonly suggest: boolean }
  /** Matched whole, may hold a list. */
  | { readonly kind: "keyword"; readonly facet: boolean; readonly suggest: boolean }
  | { readonly kind: "integer"; readonly facet: boolean }
  | { readonly kind: "number" }
  /** RFC 3339 text. */
  | { readonly kind: "date" }
  | { readonly kind: "boolean"; readonly facet: boolean };

/** What an index holds. */
export interface IndexDefinition {
  /** `[a-z][a-z0-9_-]{0,62}` */
  readonly index: string;
  /** Field of a document that names it. */
  readonly idField: string;
  /** Field of a document that holds its language (BCP 47). Unset, or unknown there, the text decides. */
  readonly languageField?: string;
  /** In the order in which they are shown. */
  readonly fields: ReadonlyMap<string, FieldType>;
}

/** An index as it is now. */
export interface IndexInfo {
  readonly definition: IndexDefinition;
  /** Milliseconds since the epoch. */
  readonly createTime: number;
  readonly documentCount: number;
}

const maxFields = 200;

/** Throws `INVALID_ARGUMENT` for a definition that breaks the rules above. */
export function checkDefinition(definition: IndexDefinition): void {
  const fail = (field: string, description: string): never => {
    throw new WeftError("INVALID_ARGUMENT", `${field} ${description}`, { violations: [{ field, description }] });
  };
  if (!/^[a-z][a-z0-9_-]{0,62}$/.test(definition.index)) fail("index", "must be [a-z][a-z0-9_-]{0,62}");
  if (definition.idField === "") fail("id_field", "must not be empty");
  if (definition.fields.size < 1 || definition.fields.size > maxFields) fail("fields", `must be 1 to ${maxFields}`);
  for (const [name, type] of definition.fields) {
    if (!/^[A-Za-z][A-Za-z0-9_]{0,99}$/.test(name)) fail("fields.name", "must be [A-Za-z][A-Za-z0-9_]{0,99}");
    if (type.kind === "text" && !(type.weight > 0 && type.weight <= 1000)) {
      fail("fields.text.weight", "must be over 0 and at most 1000");
    }
  }
}

/** Whether two definitions say the same, whatever the order of their fields. */
export function sameDefinition(a: IndexDefinition, b: IndexDefinition): boolean {
  const { index, idField, languageField } = a;
  // Maps are compared without regard to order.
  return (
    index === b.index &&
    idField === b.idField &&
    languageField === b.languageField &&
    isDeepStrictEqual(new Map(a.fields), new Map(b.fields))
  );
}

/** A definition as JSON, its fields in their order. */
export function encodeDefinition(definition: IndexDefinition): string {
  const { index, idField, languageField } = definition;
  return JSON.stringify({
    index,
    idField,
    ...(languageField === undefined ? {} : { languageField }),
    fields: [...definition.fields],
  });
}

/** The definition of a text made by {@link encodeDefinition}. */
export function decodeDefinition(text: string): IndexDefinition {
  const { fields, ...rest } = JSON.parse(text) as Omit<IndexDefinition, "fields"> & { fields: [string, FieldType][] };
  return { ...rest, fields: new Map(fields) };
}
