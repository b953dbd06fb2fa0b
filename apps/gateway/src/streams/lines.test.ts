import fc from "fast-check";
import { expect, test } from "vitest";
import { type Line, LineSplitter } from "./lines.ts";

/** Splits `text` after cutting its bytes at `cuts`. */
function split(text: string, cuts: readonly number[], maxBytes = 1000): readonly [number, string][] {
  const bytes = Buffer.from(text);
  const splitter = new LineSplitter(maxBytes);
  const lines: Line[] = [];
  let start = 0;
  for (const cut of [...cuts.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
    lines.push(...splitter.push(bytes.subarray(start, cut)));
    start = cut;
  }
  lines.push(...splitter.end());
  return lines.map((line) => [line.number, "tooLong" in line ? "too long" : line.bytes.toString()]);
}

test("however the bytes arrive, the lines and their numbers are the same", () => {
  const line = fc.string({ unit: fc.constantFrom("a", "ä", "字", " ", "\r", '"'), maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(line),
      fc.constantFrom("\n", "\r\n"),
      fc.boolean(),
      fc.array(fc.nat()),
      (lines, end, last, cuts) => {
        const text = lines.join(end) + (last ? end : "");
        const expected = text
          .split("\n")
          .map((each, index): [number, string] => [index + 1, each.replace(/\r$/, "")])
          .filter(([, each]) => /[^ \t\r]/.test(each));
        expect(split(text, cuts)).toEqual(expected);
      },
    ),
  );
});

test("a line over the limit is reported, and its neighbours are whole", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 30 }),
      fc.constantFrom("\n", "\r\n"),
      fc.array(fc.nat()),
      (length, end, cuts) => {
        const middle = "x".repeat(length + 1);
        const expected = length + 1 > 10 ? "too long" : middle;
        expect(split(`one${end}${middle}${end}three`, cuts, 10)).toEqual([
          [1, "one"],
          [2, expected],
          [3, "three"],
        ]);
      },
    ),
  );
});

test("blank lines count, and a last line needs no end", () => {
  expect(split("\n \r\na\n\n\nb", [])).toEqual([
    [3, "a"],
    [6, "b"],
  ]);
  expect(split("", [])).toEqual([]);
});
