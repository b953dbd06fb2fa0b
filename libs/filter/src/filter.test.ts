import fc from "fast-check";
import { expect, test } from "vitest";
import { type Comparator, type Filter, formatFilter, parseFilter } from "./index.ts";

const eq = (field: string, text: string, quoted = false): Filter => ({
  kind: "comparison",
  field,
  comparator: "=",
  value: { text, quoted },
});

test("OR binds tighter than AND, and terms beside each other are joined by AND", () => {
  const expected: Filter = {
    kind: "and",
    operands: [eq("a", "1"), { kind: "or", operands: [eq("b", "2"), eq("b", "3")] }, eq("c", "4")],
  };
  expect(parseFilter("a=1 AND b=2 OR b=3 c=4")).toEqual(expected);
  expect(parseFilter("a=1 (b=2 OR b=3)  AND c = 4")).toEqual(expected);
});

test("NOT and minus negate the term that follows", () => {
  const negated: Filter = { kind: "not", operand: eq("a", "1") };
  expect(parseFilter("NOT a=1")).toEqual(negated);
  expect(parseFilter("-a=1")).toEqual(negated);
  expect(parseFilter("NOT (a=1)")).toEqual(negated);
  expect(parseFilter("-(-a=1) b=2")).toEqual({
    kind: "and",
    operands: [{ kind: "not", operand: negated }, eq("b", "2")],
  });
});

test.each([
  ["a.b.c=1", "a.b.c", "=", "1", false],
  ["a!=-1.5", "a", "!=", "-1.5", false],
  ["a>=2026-01-01T00:00:00Z", "a", ">=", "2026-01-01T00:00:00Z", false],
  ["tags:role::program", "tags", ":", "role::program", false],
  ["a:*", "a", ":", "*", false],
  ['a<"x \\"y\\" \\\\ \\n"', "a", "<", 'x "y" \\ \n', true],
  ["a<='it\"s'", "a", "<=", 'it"s', true],
  ["a>编译器", "a", ">", "编译器", false],
])("%s", (text, field, comparator, value, quoted) => {
  expect(parseFilter(text)).toEqual({ kind: "comparison", field, comparator, value: { text: value, quoted } });
});

test("empty text matches everything", () => {
  expect(parseFilter("  ")).toEqual({ kind: "and", operands: [] });
  expect(formatFilter(parseFilter(""))).toBe("");
});

test.each([
  ["a", 2],
  ["a=", 3],
  ["a==1", 3],
  ["a=1 OR", 7],
  ["AND a=1", 1],
  ["(a=1", 5],
  ["a=1)", 4],
  ["a=1 AND AND b=2", 9],
  ['a="x', 3],
  ['a="\\q"', 4],
  ["f(x)", 2],
  ['"word"', 1],
  ["a=NOT", 3],
  ["1a=2", 1],
  ["a = 1 , b = 2", 7],
  ["a.=1", 2],
])("%s is INVALID_FILTER at %i", (text, position) => {
  expect(() => parseFilter(text)).toThrow(
    expect.objectContaining({ reason: "INVALID_FILTER", metadata: { position: String(position) } }),
  );
});

test("a filter is bounded in length, parts and depth", () => {
  expect(() => parseFilter(`a="${"x".repeat(2048)}"`)).toThrow(/longer than 2048/);
  const terms = (count: number): string => Array.from({ length: count }, () => "a=1").join(" OR ");
  expect(() => parseFilter(terms(99))).not.toThrow();
  expect(() => parseFilter(terms(100))).toThrow(/more than 100 parts/);
  const nested = (depth: number): string => `${"(".repeat(depth)}a=1${")".repeat(depth)}`;
  expect(parseFilter(nested(20))).toEqual(eq("a", "1"));
  expect(() => parseFilter(nested(21))).toThrow(/deeper than 20/);
  expect(() => parseFilter(`${"-".repeat(2000)}a=1`)).toThrow(/deeper than 20/);
});

const comparison = fc.record({
  kind: fc.constant("comparison" as const),
  field: fc.constantFrom("a", "b.c", "_x1", "NOTE"),
  comparator: fc.constantFrom<Comparator>("=", "!=", "<", "<=", ">", ">=", ":"),
  value: fc.oneof(
    fc.record({ text: fc.string({ unit: "grapheme", maxLength: 12 }), quoted: fc.constant(true) }),
    fc.record({
      text: fc.constantFrom("x", "-1.5", "a:b", "*", "g++", "2026-01-01", "日本"),
      quoted: fc.constant(false),
    }),
  ),
});

const { filter: filters } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 4 },
    comparison,
    fc.record({ kind: fc.constant("not" as const), operand: tie("filter") }),
    fc.record({
      kind: fc.constantFrom("and" as const, "or" as const),
      operands: fc.array(tie("filter"), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));

test("what is written is read back", () => {
  fc.assert(
    fc.property(filters, (filter) => {
      const text = formatFilter(filter);
      fc.pre(text.length <= 2048);
      expect(parseFilter(text)).toEqual(filter);
    }),
    { numRuns: 300 },
  );
});

test("any text is a filter or INVALID_FILTER", () => {
  const unit = fc.constantFrom(..."ab=!<>:()-\"'\\ .,*", " AND ", " OR ", "NOT ");
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 30 }), (text) => {
      try {
        const filter = parseFilter(text);
        expect(parseFilter(formatFilter(filter))).toEqual(filter);
      } catch (error) {
        expect(error).toMatchObject({ reason: "INVALID_FILTER" });
      }
    }),
    { numRuns: 1000 },
  );
});
