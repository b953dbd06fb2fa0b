import assert from "node:assert/strict";
import { parseFilter } from "@weft/filter";
import type { Law } from "@weft/kit/testing";
import { type SearchFixture, shop } from "./fixture.ts";
import { filtered, find, shopWith } from "./tools.ts";

/** What is found by what, and what not. */
interface Finding {
  readonly title: string;
  readonly document: Readonly<Record<string, string>>;
  readonly found: readonly string[];
  readonly missed: readonly string[];
}

const findings: readonly Finding[] = [
  {
    title: "case and composition do not matter, and all words must match",
    document: { lang: "en", title: "The Café of Zoë\u0308 Müller", body: "Open on Sundays" },
    found: ["CAFÉ", "cafe\u0301", "müller", "mu\u0308ller sundays", "open CAFÉ"],
    missed: ["café closed", "mull", "xyz"],
  },
  {
    title: "English inflection does not matter",
    document: { lang: "en", title: "Compilers for running libraries", body: "It manipulates trees." },
    found: ["compiler", "library run", "tree manipulating", "Compilers"],
    missed: ["compost"],
  },
  {
    title: "German inflection and the spelling of umlauts do not matter",
    document: { lang: "de", title: "Bücher über die Häuser", body: "Programme für Straßen" },
    found: ["Buch", "buecher", "Haus", "haeuser", "Programm", "strasse", "Straße Häuser"],
    missed: ["Buchstabe"],
  },
  {
    title: "without a language field the text decides",
    document: { title: "Die Übersetzung der Bücher", body: "ist nicht mit dabei" },
    found: ["Buch", "übersetzungen"],
    missed: ["english"],
  },
  {
    title: "Chinese matches by words without spaces",
    document: { lang: "zh", title: "GNU C++ 编译器", body: "这是一个高度精炼和优化的编译器。" },
    found: ["编译器", "编译", "优化", "C++编译器", "gnu 编译器", "译"],
    missed: ["编器", "翻译", "器编"],
  },
  {
    title: "Japanese matches by words without spaces",
    document: { lang: "ja", title: "カーネルのサービス", body: "このライブラリは図の標準形を計算するツールです。" },
    found: ["カーネル", "サービス", "計算", "標準形", "ﾗｲﾌﾞﾗﾘ", "図"],
    missed: ["ネルカ", "計標"],
  },
  {
    title: "words with signs are found as they are typed",
    document: {
      lang: "en",
      name: "libfoo-dev",
      title: "A Node.js binding of C++",
      body: "see libstdc++-12-dev, e-mail",
    },
    found: [
      "libfoo-dev",
      "LIBFOO-DEV",
      "node.js",
      "c++",
      "C++",
      "libstdc++-12-dev",
      "e-mail",
      "foo-dev libfoo-dev".slice(8),
    ],
    missed: ["libfoo-doc", "node.ts", "c#"],
  },
  {
    title: "quoted words match as a phrase",
    document: { lang: "en", title: "abstract syntax tree", body: "一つの計算機 system" },
    found: ['"syntax trees"', '"abstract syntax tree"', 'tree "abstract syntax"', '"計算機 system"'],
    missed: ['"abstract tree"', '"tree syntax"', '"system 計算機"'],
  },
];

/** Laws of what matches: F5, F6 and F8. */
export const matchLaws: readonly Law<SearchFixture>[] = [
  ...findings.map(({ title, document, found, missed }) => ({
    title: `F5 ${title}`,
    run: async (fixture: SearchFixture) => {
      const engine = await shopWith(fixture, { a: document });
      for (const text of found) assert.deepEqual(await find(engine, text), ["a"], `${text} does not find it`);
      for (const text of missed) assert.deepEqual(await find(engine, text), [], `${text} finds it`);
    },
  })),
  {
    title: "F5 any text of up to 100 words is a query, also one of signs alone",
    run: async (fixture) => {
      const engine = await shopWith(fixture, { a: { title: "AND" }, b: { title: "x" } });
      assert.deepEqual(await find(engine, "  "), ["a", "b"]);
      for (const text of ['"', '""', "*", "()", "+++", "NEAR(", "^x:", "-", "'", "\u0000"]) await find(engine, text);
      assert.deepEqual(await find(engine, "c++-12 ".repeat(100)), []);
      await assert.rejects(find(engine, "x ".repeat(101)), { code: "INVALID_ARGUMENT" });
      assert.deepEqual(await find(engine, "+++"), []);
      assert.deepEqual(await find(engine, "AND"), ["a"]);
      assert.deepEqual(await find(engine, 'x "'), ["b"]);
    },
  },
  {
    title: "F6 comparisons mean what AIP-160 says",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {
        a: { name: "apple", size: 1, price: 1.5, made: "2026-01-01T00:00:00Z", sold: true, tags: ["x", "y"] },
        b: { name: "Apple", size: 10, price: -2, made: "2026-01-01T02:00:00+01:00", sold: false, tags: ["y"] },
        c: { name: "cherry::pie", title: "Sweet cherry cakes" },
      });
      const cases: Readonly<Record<string, string>> = {
        "name=apple": "a",
        'name="cherry::pie"': "c",
        "name:cherry::pie": "c",
        "name!=apple": "bc",
        "name>Apple": "ac",
        "size>=2": "b",
        "size<2 OR size=10": "ab",
        "size!=1": "b",
        "price<0": "b",
        "price=1.5": "a",
        'made>"2026-01-01T00:30:00Z"': "b",
        "made=2026-01-01": "a",
        "sold=true": "a",
        "sold!=true": "b",
        "NOT sold=true": "bc",
        "-size>1": "ac",
        "size:*": "ab",
        "NOT tags:*": "c",
        "tags:y": "ab",
        "tags=x": "a",
        "tags!=y": "a",
        "NOT tags=y": "c",
        "name=*pp*": "ab",
        "name:c*": "c",
        'name="*"': "",
        'title:"cake SWEET"': "c",
        'title="Sweet cherry cakes"': "c",
        "title=Sweet": "",
        "size>0 AND size=1 OR size=10": "ab",
        "size>5 sold=false": "b",
        "(size=1 AND sold=false) OR name=apple": "a",
        "": "abc",
      };
      for (const [filter, ids] of Object.entries(cases)) {
        assert.equal((await filtered(engine, filter)).join(""), ids, `the filter ${filter}`);
      }
    },
  },
  {
    title: "F6 an unknown field or a wrong type is INVALID_FILTER, in filters, facets and sorts",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {});
      const wrong = { reason: "INVALID_FILTER" };
      for (const filter of ["none=1", "size=big", 'size="1"', "sold=maybe", "sold>true", "made>yesterday", "price:x"]) {
        await assert.rejects(filtered(engine, filter), wrong, filter);
      }
      await assert.rejects(find(engine, { facets: ["none"] }), wrong);
      await assert.rejects(find(engine, { facets: ["name"] }), wrong);
      await assert.rejects(find(engine, { sort: [{ field: "none", descending: false }] }), wrong);
      const scan = engine.scan(shop.index, { text: "", filter: parseFilter("none=1") }, new AbortController().signal);
      await assert.rejects(Array.fromAsync(scan), wrong);
    },
  },
  {
    title: "F8 facets count all hits, most frequent first, then by value",
    run: async (fixture) => {
      const documents = Object.fromEntries(
        Array.from({ length: 12 }, (_, at) => [
          `d${at}`,
          {
            body: at < 10 ? "red" : "blue",
            tags: at % 2 === 0 ? ["even", "all"] : ["odd", "all"],
            size: at % 3,
            sold: at > 8,
          },
        ]),
      );
      const engine = await shopWith(fixture, documents);
      const { facets, totalHits } = await engine.search(shop.index, {
        text: "red",
        pageSize: 2,
        facets: ["tags", "size", "sold"],
      });
      assert.equal(totalHits, 10);
      assert.deepEqual(facets.get("tags"), [
        { value: "all", count: 10 },
        { value: "even", count: 5 },
        { value: "odd", count: 5 },
      ]);
      assert.deepEqual(facets.get("size"), [
        { value: 0, count: 4 },
        { value: 1, count: 3 },
        { value: 2, count: 3 },
      ]);
      assert.deepEqual(facets.get("sold"), [
        { value: false, count: 9 },
        { value: true, count: 1 },
      ]);
      const everything = await engine.search(shop.index, { text: "", pageSize: 1, facets: ["tags"] });
      assert.deepEqual(everything.facets.get("tags")?.[0], { value: "all", count: 12 });
      const one = await engine.search(shop.index, {
        text: "",
        filter: parseFilter("sold=true size=0"),
        pageSize: 1,
        facets: ["tags"],
      });
      assert.deepEqual(one.facets.get("tags"), [
        { value: "all", count: 1 },
        { value: "odd", count: 1 },
      ]);
    },
  },
];
