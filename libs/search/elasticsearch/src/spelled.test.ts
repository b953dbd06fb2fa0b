import { normalize, readQueryText, type Span } from "@weft/search";
import { expect, test } from "vitest";
import { placeSpans, spellPart, spellText } from "./spelled.ts";

/** Stands at the ends of runs and before words with signs. */
const edge = "\u3164";

test.each([
  ["Running, on C++!", "Running on C＋＋"],
  ["C++编译器 用于", `C＋＋ 编 译 器 ${edge} 用 于 ${edge}`],
  ["libstdc++-12-dev c# a+b", `${edge} libstdc＋＋-12-dev c＃ ${edge} a+b`],
  ["Perl’s ﾗｲ", `Perl's ラ イ ${edge}`],
  ["\u007f \ud800 x\u007fy", "x y"],
  ["--- ...", ""],
  ["", ""],
])("the words of %j are %j", (text, expected) => {
  expect(spellText(text)).toBe(expected);
});

test.each([
  ['"GNU C++ 编译器"', "GNU C＋＋ 编 译 器"],
  ['"编译器 GNU"', `编 译 器 ${edge} GNU`],
  ['"send e-mail"', `send ${edge} e-mail`],
  ["e-mail", "e-mail"],
  ["编译", "编 译"],
])("the words of the query %j are %j", (query, expected) => {
  expect(readQueryText(query).map(spellPart)).toEqual([expected]);
});

test.each([
  ["see: C++编译器, (c#)", "C＋＋", ["C++"]],
  ["see: C++编译器, (c#)", "编 译", ["编译"]],
  ["see: C++编译器, (c#)", `器 ${edge} c＃`, ["器, (c#"]],
  ["one, libfoo-dev; two", "foo-dev two", ["foo-dev; two"]],
  ["one two one", "one", ["one", "one"]],
])("in %j the words %j are %j", (text, words, expected) => {
  const spelled = spellText(text);
  const spans: Span[] = [];
  for (let start = spelled.indexOf(words); start >= 0; start = spelled.indexOf(words, start + 1)) {
    spans.push({ start, end: start + words.length });
  }
  expect(placeSpans(normalize(text), spans).map(({ start, end }) => text.slice(start, end))).toEqual(expected);
});
