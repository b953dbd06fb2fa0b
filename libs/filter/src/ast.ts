/** A value written in a filter. Bare words and quoted text are both strings; the field's type decides what they mean. */
export interface FilterValue {
  readonly text: string;
  /** Quoted in the source: never read as a wildcard, number or boolean literal by itself. */
  readonly quoted: boolean;
}

export type Comparator = "=" | "!=" | "<" | "<=" | ">" | ">=" | ":";

/** One field against one value. */
export interface Comparison {
  readonly kind: "comparison";
  /** Dotted path. */
  readonly field: string;
  readonly comparator: Comparator;
  readonly value: FilterValue;
}

/**
 * A filter by AIP-160 (https://google.aip.dev/160), without functions and without bare-word search.
 * An `and` without operands matches everything: what an empty text means.
 */
export type Filter =
  | { readonly kind: "and" | "or"; readonly operands: readonly Filter[] }
  | { readonly kind: "not"; readonly operand: Filter }
  | Comparison;
