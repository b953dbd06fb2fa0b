import type { JsonObject } from "@weft/kit";
import { type Filter, formatFilter } from "@weft/filter";
import { within } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fieldValues, type FieldValue, type SearchEngine, typeFilter, type TypedFilter } from "../index.ts";
import { type SearchFixture, shop } from "./fixture.ts";

/**
 * Tests law F6 by a model: whatever the filter, it leaves the documents for which it holds. Half a minute at most.
 *
 * @param runs lists of documents, each with up to five filters
 */
export function describeFilterModel(name: string, open: () => Promise<SearchFixture>, runs: number): void {
  test(`F6 ${name}: a filter leaves the documents for which it holds`, async () => {
    await using fixture = await open();
    await using engine = await fixture.open();
    await engine.createIndex(shop);
    let run = 0;
    await fc.assert(
      fc.asyncProperty(documents, fc.array(filters, { minLength: 1, maxLength: 5 }), async (list, some) => {
        run += 1;
        await putAlone(engine, list, `run${run}`);
        for (const filter of some) {
          const typed = typeFilter(shop, filter);
          const expected = list.flatMap((document, at) => (holds(typed, document) ? [idOf(at)] : []));
          const page = await engine.search(shop.index, { text: "", filter, pageSize: 100 });
          expect(
            page.hits.map((hit) => hit.id),
            formatFilter(filter),
          ).toEqual(expected);
        }
      }),
      { numRuns: runs },
    );
  }, 60_000);
}

/** Puts the documents in the place of those that were there, and waits until they are found. */
async function putAlone(engine: SearchEngine, list: readonly JsonObject[], title: string): Promise<void> {
  await engine.apply(
    shop.index,
    Array.from({ length: maxDocuments }, (_, at) => {
      const document = list[at];
      return document === undefined
        ? { kind: "delete", id: idOf(at) }
        : { kind: "put", id: idOf(at), document: { ...document, title } };
    }),
  );
  await within(3000, "the documents are found", async () => {
    const totals = await Promise.all(
      [title, ""].map(async (text) => (await engine.search(shop.index, { text, pageSize: 1 })).totalHits),
    );
    return totals.every((total) => total === list.length);
  });
}

function idOf(at: number): string {
  return String(at).padStart(2, "0");
}

/** What a filter means, said as plainly as can be. */
function holds(filter: TypedFilter, document: JsonObject): boolean {
  switch (filter.kind) {
    case "and":
      return filter.operands.every((operand) => holds(operand, document));
    case "or":
      return filter.operands.some((operand) => holds(operand, document));
    case "not":
      return !holds(filter.operand, document);
    case "present":
      return valuesOf(document, filter.field).length > 0;
    case "compare":
      return valuesOf(document, filter.field).some((value) => compare(value, filter.comparator, filter.value));
    case "wildcard": {
      const source = filter.pattern
        .split("*")
        .map((part) => part.replaceAll(/[?[\]]/g, "\\$&"))
        .join(".*");
      return valuesOf(document, filter.field).some((value) => new RegExp(`^${source}$`, "su").test(String(value)));
    }
    case "words":
      throw new Error("not generated");
  }
}

function valuesOf(document: JsonObject, field: string): readonly FieldValue[] {
  const type = shop.fields.get(field);
  return type === undefined ? [] : fieldValues(document, field, type);
}

function compare(value: FieldValue, comparator: string, wanted: FieldValue): boolean {
  // Text by code points: UTF-8 sorts like them, UTF-16 does not.
  const [a, b] = typeof value === "string" ? [Buffer.from(value), Buffer.from(String(wanted))] : [value, wanted];
  const order = Buffer.isBuffer(a) && Buffer.isBuffer(b) ? Buffer.compare(a, b) : Number(a) - Number(b);
  return (
    { "=": order === 0, "!=": order !== 0, "<": order < 0, "<=": order <= 0, ">": order > 0, ">=": order >= 0 }[
      comparator
    ] ?? false
  );
}

const words = fc.constantFrom("a", "b", "ab", "A", "é", "日本", "\u{1F600}", "\uFFFD", "a*b", "[a]", "a?");
const numbers = fc.constantFrom(-3, 0, 1, 2, 10);
const times = fc.constantFrom("2026-01-01T00:00:00Z", "2026-01-01T02:00:00+01:00", "1969-12-31T23:59:59.5Z");
const optional = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: null });

const maxDocuments = 12;

const documents = fc.array(
  fc.record({
    name: optional(words),
    tags: fc.array(words, { maxLength: 3 }),
    size: optional(numbers),
    price: optional(fc.oneof(numbers, fc.constantFrom(0.5, 1e10))),
    made: optional(times),
    sold: optional(fc.boolean()),
  }),
  { minLength: 1, maxLength: maxDocuments },
);

const ordered = fc.constantFrom(
  "=" as const,
  "!=" as const,
  "<" as const,
  "<=" as const,
  ">" as const,
  ">=" as const,
  ":" as const,
);
const exact = fc.constantFrom("=" as const, "!=" as const, ":" as const);

function comparison(
  field: fc.Arbitrary<string>,
  comparator: fc.Arbitrary<"=" | "!=" | "<" | "<=" | ">" | ">=" | ":">,
  value: fc.Arbitrary<{ readonly text: string; readonly quoted: boolean }>,
): fc.Arbitrary<Filter> {
  return fc.record({ kind: fc.constant("comparison" as const), field, comparator, value });
}

const bare = (text: string): { text: string; quoted: boolean } => ({ text, quoted: false });
const quoted = (text: string): { text: string; quoted: boolean } => ({ text, quoted: true });
const anyField = fc.constantFrom("name", "tags", "size", "price", "made", "sold");

const { filter: filters } = fc.letrec<{ filter: Filter }>((tie) => ({
  filter: fc.oneof(
    { maxDepth: 3 },
    comparison(fc.constantFrom("name", "tags"), ordered, words.map(quoted)),
    comparison(
      fc.constantFrom("name", "tags"),
      fc.constantFrom("=", ":"),
      fc.constantFrom("a*", "*b", "*", "a*b*", "[*").map(bare),
    ),
    comparison(
      fc.constantFrom("size", "price"),
      ordered,
      fc.oneof(numbers, fc.constantFrom(0.5)).map((value) => bare(String(value))),
    ),
    comparison(fc.constant("made"), ordered, times.map(quoted)),
    comparison(fc.constant("sold"), exact, fc.constantFrom("true", "false").map(bare)),
    comparison(anyField, fc.constant(":"), fc.constant(bare("*"))),
    fc.record({ kind: fc.constant("not" as const), operand: tie("filter") }),
    fc.record({
      kind: fc.constantFrom("and" as const, "or" as const),
      operands: fc.array(tie("filter"), { minLength: 2, maxLength: 3 }),
    }),
  ),
}));
