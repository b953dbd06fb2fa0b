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
  readonly fields: ReadonlyMap<string, FieldType>;
}

/** An index as it is now. */
export interface IndexInfo {
  readonly definition: IndexDefinition;
  /** Milliseconds since the epoch. */
  readonly createTime: number;
  readonly documentCount: number;
}
