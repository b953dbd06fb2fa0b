import fc from "fast-check";
import { expect, test } from "vitest";
import { type Segment, segments } from "./words.ts";

/** What a segment is, said as one expression; it takes ten times as long. */
const run = "[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}ー]";
const letter = `[[\\p{L}\\p{N}\\p{M}]--${run}]`;
const segment = new RegExp(`(${run}+)|${letter}+(?:[\\-._'’+#]{1,3}${letter}+)*[+#]{0,2}`, "gv");

function expected(text: string): readonly Segment[] {
  return [...text.matchAll(segment)].map((match) => ({
    kind: match[1] === undefined ? "word" : "run",
    text: match[0],
    start: match.index,
  }));
}

const pieces = fc.constantFrom(
  "a",
  "Z",
  "9",
  "é",
  "e\u0301",
  "漢",
  "字",
  "カ",
  "ー",
  "𠮷",
  "𝒳",
  "😀",
  "\ud800",
  "\udc00",
);
const signs = fc.constantFrom("-", ".", "_", "'", "’", "+", "#", " ", "\n", ",", "\u3164");

test("a text is cut as its definition says", () => {
  const texts = fc.oneof(fc.string({ unit: fc.oneof(pieces, signs), maxLength: 30 }), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(texts, (text) => {
      expect([...segments(text)]).toEqual(expected(text));
    }),
    { numRuns: 2000 },
  );
});
