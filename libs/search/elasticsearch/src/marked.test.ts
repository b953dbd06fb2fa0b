import { readQueryText } from "@weft/search";
import { expect, test } from "vitest";
import { markPart, markWords, unmark, wordMark } from "./marked.ts";

/** Stands at the ends of runs and before words with signs. */
const edge = "\u3164";

/** What the tokenizer leaves of a marked text. */
function words(marked: string): readonly string[] {
  return marked.split(new RegExp(`${wordMark}[^${wordMark}]*${wordMark}`)).filter((word) => word !== "");
}

test.each([
  ["Running, on C++!", ["Running", "on", "C＋＋"]],
  ["C++编译器 用于", ["C＋＋", "编", "译", "器", edge, "用", "于", edge]],
  ["libstdc++-12-dev c# a+b", [edge, "libstdc＋＋-12-dev", "c＃", edge, "a+b"]],
  ["Perl’s ﾗｲ", ["Perl's", "ラ", "イ", edge]],
  ["\u007f \ud800 x\u007fy", ["x", "y"]],
  ["--- ...", []],
  ["", []],
])("the words of %j are %j", (text, expected) => {
  expect(words(markWords(text))).toEqual(expected);
});

test.each([
  ['"GNU C++ 编译器"', ["GNU", "C＋＋", "编", "译", "器"]],
  ['"编译器 GNU"', ["编", "译", "器", edge, "GNU"]],
  ['"send e-mail"', ["send", edge, "e-mail"]],
  ["e-mail", ["e-mail"]],
  ["编译", ["编", "译"]],
])("the words of the query %j are %j", (query, expected) => {
  expect(readQueryText(query).flatMap((part) => words(markPart(part)))).toEqual(expected);
});

test("without its marks a text is as it was", () => {
  const text = "C++编译器, c# and libfoo-dev.";
  expect(unmark(markWords(text))).toBe(text);
});
