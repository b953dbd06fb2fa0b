import type { Comparator, Comparison, Filter, FilterValue } from "./ast.ts";
import { filterError } from "./errors.ts";
import { type Token, tokenize } from "./tokens.ts";

/** Longest text of a filter, in UTF-16 code units. */
export const maxFilterLength = 2048;
/** Most nodes of a filter: comparisons, ANDs, ORs and NOTs together. */
export const maxFilterNodes = 100;
/** Deepest nesting of parentheses and NOTs. */
export const maxFilterDepth = 20;

/**
 * Reads a filter by AIP-160 (https://google.aip.dev/160). OR binds tighter than AND, and terms beside each other are
 * joined by AND: `a=1 b=2 OR b=3` is `a=1 AND (b=2 OR b=3)`. A bare value may hold colons (`tags:role::program`,
 * `time>2026-01-01T00:00:00Z`). Empty text matches everything.
 *
 * Anything else is `INVALID_FILTER`; `metadata.position` counts characters from 1.
 */
export function parseFilter(text: string): Filter {
  if (text.length > maxFilterLength) {
    throw filterError(`the filter is longer than ${maxFilterLength} characters`, maxFilterLength + 1);
  }
  return new Parser(text).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #nodes = 0;
  #depth = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): Filter {
    if (this.#peek().kind === "end") return { kind: "and", operands: [] };
    const filter = this.#expression();
    const rest = this.#peek();
    if (rest.kind !== "end") throw filterError(`unexpected ${describe(rest)}`, rest.position);
    return filter;
  }

  /** expression: factor { [AND] factor } */
  #expression(): Filter {
    const operands = [this.#factor()];
    for (;;) {
      const token = this.#peek();
      if (token.kind === "and") this.#next += 1;
      else if (token.kind === "end" || token.kind === "close") break;
      operands.push(this.#factor());
    }
    return this.#join("and", operands);
  }

  /** factor: term { OR term } */
  #factor(): Filter {
    const operands = [this.#term()];
    while (this.#peek().kind === "or") {
      this.#next += 1;
      operands.push(this.#term());
    }
    return this.#join("or", operands);
  }

  /** term: (NOT | -) term | ( expression ) | comparison */
  #term(): Filter {
    const token = this.#peek();
    if (token.kind !== "not" && token.kind !== "open") return this.#comparison();
    this.#next += 1;
    this.#depth += 1;
    if (this.#depth > maxFilterDepth) {
      throw filterError(`the filter is nested deeper than ${maxFilterDepth}`, token.position);
    }
    const filter: Filter =
      token.kind === "not" ? this.#count({ kind: "not", operand: this.#term() }) : this.#parenthesized();
    this.#depth -= 1;
    return filter;
  }

  #parenthesized(): Filter {
    const filter = this.#expression();
    const token = this.#take();
    if (token.kind !== "close") throw filterError(`expected ), not ${describe(token)}`, token.position);
    return filter;
  }

  #comparison(): Comparison {
    const field = this.#take();
    if (field.kind !== "field") throw filterError(`expected a field, not ${describe(field)}`, field.position);
    const comparator = this.#take();
    if (comparator.kind !== "comparator") {
      throw filterError(`expected a comparator after ${field.text}, not ${describe(comparator)}`, comparator.position);
    }
    const value = this.#take();
    if (value.kind !== "value") {
      throw filterError(`expected a value after ${comparator.text}, not ${describe(value)}`, value.position);
    }
    return this.#count(comparison(field.text, comparator.text, { text: value.text, quoted: value.quoted }));
  }

  #join(kind: "and" | "or", operands: readonly Filter[]): Filter {
    const [only] = operands;
    return operands.length === 1 && only !== undefined ? only : this.#count({ kind, operands });
  }

  #count<F extends Filter>(filter: F): F {
    this.#nodes += 1;
    if (this.#nodes > maxFilterNodes) {
      throw filterError(`the filter has more than ${maxFilterNodes} parts`, this.#peek().position);
    }
    return filter;
  }

  #peek(): Token {
    // The last token is always the end, and nothing reads past it.
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] ?? { kind: "end", position: 1 };
  }

  #take(): Token {
    const token = this.#peek();
    this.#next += 1;
    return token;
  }
}

function comparison(field: string, comparator: Comparator, value: FilterValue): Comparison {
  return { kind: "comparison", field, comparator, value };
}

function describe(token: Token): string {
  switch (token.kind) {
    case "end":
      return "the end";
    case "open":
      return "(";
    case "close":
      return ")";
    case "and":
    case "or":
    case "not":
      return token.kind.toUpperCase();
    default:
      return JSON.stringify(token.text);
  }
}
