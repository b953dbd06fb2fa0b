import { expect, test } from "vitest";
import { formatEtag, noneMatchNames, parseIfMatch } from "./etag.ts";

test.each([
  ['"abc"', "abc"],
  ['W/"abc"', "abc"],
  ["abc", "abc"],
  [' "a b" ', undefined],
  ["*", undefined],
])("If-Match %s is %s", (header, etag) => {
  if (header.includes("a b")) expect(() => parseIfMatch(header)).toThrow("single entity tag");
  else expect(parseIfMatch(header)).toBe(etag);
});

test.each(["", '"a', '"a", "b"', "a b", "a,b", '""', 'w/"a"'])("If-Match %s is malformed", (header) => {
  expect(() => parseIfMatch(header)).toThrow("single entity tag");
});

test("If-None-Match is a list, compared weakly", () => {
  expect(noneMatchNames('"a", W/"b"', "b")).toBe(true);
  expect(noneMatchNames("*", "b")).toBe(true);
  expect(noneMatchNames('"a"', "b")).toBe(false);
  expect(noneMatchNames("b", "b")).toBe(false);
});

test("an etag that a header can't hold is left out", () => {
  expect(formatEtag("a")).toBe('"a"');
  for (const etag of ["", 'a"b', "a b", "a\nb"]) expect(formatEtag(etag)).toBeUndefined();
});
