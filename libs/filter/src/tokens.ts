import type { Comparator } from "./ast.ts";
import { filterError } from "./errors.ts";

/** A piece of a filter's text. `position` counts characters from 1. */
export type Token =
  | { readonly kind: "open" | "close" | "and" | "or" | "not" | "end"; readonly position: number }
  | { readonly kind: "field"; readonly text: string; readonly position: number }
  | { readonly kind: "comparator"; readonly text: Comparator; readonly position: number }
  | { readonly kind: "value"; readonly text: string; readonly quoted: boolean; readonly position: number };

const space = /\s+/y;
const comparators: ReadonlySet<string> = new Set<Comparator>(["=", "!=", "<", "<=", ">", ">=", ":"]);
const comparator = /!=|<=|>=|=|<|>|:/y;
const field = /[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z0-9_]+)*/y;
const bare = /[^\s()"'=!<>:,][^\s()"'=!<>,]*/y;
const keywords = { AND: "and", OR: "or", NOT: "not" } as const;
const escapes: Readonly<Record<string, string>> = { "\\": "\\", '"': '"', "'": "'", n: "\n", r: "\r", t: "\t" };

/** Whether a text can stand as a value without quotes. */
export function isBareValue(text: string): boolean {
  bare.lastIndex = 0;
  return bare.exec(text)?.[0] === text && !Object.hasOwn(keywords, text);
}

/** The pieces of a filter, an `end` last. What can't be a piece is `INVALID_FILTER`. */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  for (;;) {
    at += match(space)?.length ?? 0;
    const position = at + 1;
    const char = text[at];
    if (char === undefined) {
      tokens.push({ kind: "end", position });
      return tokens;
    }
    if (tokens.at(-1)?.kind === "comparator") {
      if (char === '"' || char === "'") {
        const quoted = readQuoted(text, at);
        tokens.push({ kind: "value", text: quoted.text, quoted: true, position });
        at = quoted.end;
        continue;
      }
      const word = match(bare);
      if (word === undefined || !isBareValue(word)) throw filterError("expected a value", position);
      tokens.push({ kind: "value", text: word, quoted: false, position });
      at += word.length;
    } else if (char === "(" || char === ")") {
      tokens.push({ kind: char === "(" ? "open" : "close", position });
      at += 1;
    } else if (char === "-") {
      tokens.push({ kind: "not", position });
      at += 1;
    } else {
      const word = match(comparator) ?? match(field);
      if (word === undefined) throw filterError(`unexpected ${JSON.stringify(char)}`, position);
      at += word.length;
      if (isComparator(word)) tokens.push({ kind: "comparator", text: word, position });
      else if (word === "AND" || word === "OR" || word === "NOT") tokens.push({ kind: keywords[word], position });
      else tokens.push({ kind: "field", text: word, position });
    }
  }
}

function isComparator(text: string): text is Comparator {
  return comparators.has(text);
}

function readQuoted(text: string, start: number): { readonly text: string; readonly end: number } {
  const quote = text[start];
  let value = "";
  for (let at = start + 1; at < text.length; at += 1) {
    const char = text[at] ?? "";
    if (char === quote) return { text: value, end: at + 1 };
    if (char !== "\\") {
      value += char;
      continue;
    }
    at += 1;
    const escaped = escapes[text[at] ?? ""];
    if (escaped === undefined) throw filterError("unknown escape", at);
    value += escaped;
  }
  throw filterError("a quote is not closed", start + 1);
}
