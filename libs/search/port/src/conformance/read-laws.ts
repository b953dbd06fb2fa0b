import assert from "node:assert/strict";
import { parseFilter } from "@weft/filter";
import { type JsonObject, WeftError } from "@weft/kit";
import type { Law } from "@weft/kit/testing";
import { type SearchFixture, shop } from "./fixture.ts";
import { find, pageThrough, put, shopWith, visible } from "./tools.ts";

const signal = new AbortController().signal;

const many: Readonly<Record<string, JsonObject>> = Object.fromEntries(
  Array.from({ length: 25 }, (_, at) => [
    `d${String(at).padStart(2, "0")}`,
    { title: `apple ${"pie ".repeat(at % 4)}`, size: at % 5, ...(at % 6 === 0 ? {} : { price: at / 2 }) },
  ]),
);

/** Laws of what is read: F4, F9, F14, and the orders, suggestions and scans of the port. */
export const readLaws: readonly Law<SearchFixture>[] = [
  {
    title: "F4 pages put together are each match once, in the order of one large page",
    run: async (fixture) => {
      const engine = await shopWith(fixture, many);
      const queries = [
        { text: "apple" },
        { text: "" },
        { text: "apple", sort: [{ field: "size", descending: true }] },
        {
          text: "",
          sort: [
            { field: "size", descending: false },
            { field: "price", descending: true },
          ],
          filter: parseFilter("size<4"),
        },
      ];
      for (const query of queries) {
        const paged = await pageThrough(engine, { ...query, pageSize: 4 });
        assert.deepEqual(paged, await find(engine, query));
      }
    },
  },
  {
    title: "F4 pages put together are each match once, while others write",
    run: async (fixture) => {
      const [engine, other] = [await shopWith(fixture, many), await fixture.open()];
      for (const query of [{ text: "apple" }, { text: "", sort: [{ field: "size", descending: false }] }]) {
        const before = await find(engine, query);
        const paged = await pageThrough(engine, { ...query, pageSize: 3 }, (page) =>
          // Moves a document that has been seen to the end, and adds one at the beginning.
          put(other, {
            [before[page] ?? ""]: { title: "apple", size: 9 },
            [`a${page}`]: { title: "apple apple apple", size: -1 },
          }),
        );
        assert.deepEqual(paged.toSorted(), before.toSorted());
        await other.apply(
          shop.index,
          Array.from({ length: 30 }, (_, at) => ({ kind: "delete", id: `a${at}` }) as const),
        );
        await put(other, many);
        // What was put back is found a moment later (law F1).
        await visible(engine, "", Object.keys(many).length);
      }
    },
  },
  {
    title: "F4 a page can be asked of another process, and a document deleted meanwhile is left out",
    run: async (fixture) => {
      const [engine, other] = [await shopWith(fixture, many), await fixture.open()];
      const first = await engine.search(shop.index, { text: "", pageSize: 10 });
      await other.apply(shop.index, [{ kind: "delete", id: "d11" }]);
      const second = await other.search(shop.index, { text: "", pageSize: 10, after: first.next ?? "" });
      assert.ok(!second.hits.some((hit) => hit.id === "d11") && second.hits[0]?.id === "d10");
    },
  },
  {
    title: "F4 the position of another query, and any other text, is INVALID_PAGE_TOKEN",
    run: async (fixture) => {
      const engine = await shopWith(fixture, many);
      const { next = "" } = await engine.search(shop.index, { text: "apple", pageSize: 2 });
      const refused = { reason: "INVALID_PAGE_TOKEN" };
      const ask = (text: string, after: string): Promise<unknown> =>
        engine.search(shop.index, { text, pageSize: 2, after });
      await assert.rejects(ask("pie", next), refused);
      await assert.rejects(ask("apple", `${next}x`), refused);
      await assert.rejects(ask("apple", "x"), refused);
      await assert.rejects(ask("apple", ""), refused);
      await ask("apple", next);
    },
  },
  {
    title: "F4 a sort is by value, then id; documents without a value come last both ways",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {
        a: { size: 2, name: "b" },
        b: { size: 10, name: "a" },
        c: { name: "C" },
        d: { size: 2 },
      });
      const by = async (field: string, descending: boolean): Promise<string> =>
        (await find(engine, { sort: [{ field, descending }] })).join("");
      assert.equal(await by("size", false), "adbc");
      assert.equal(await by("size", true), "badc");
      assert.equal(await by("name", false), "cbad");
    },
  },
  {
    title: "F4 the better match comes first",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {
        a: { title: "something else", body: "with a long text that mentions a lighthouse once, far down in it" },
        b: { title: "lighthouse", body: "with a long text that mentions nothing more, far down in it" },
        c: { title: "something else", body: "nothing" },
      });
      const { hits } = await engine.search(shop.index, { text: "lighthouse", pageSize: 10 });
      assert.deepEqual(
        hits.map((hit) => hit.id),
        ["b", "a"],
      );
      assert.ok((hits[0]?.score ?? 0) > (hits[1]?.score ?? 0));
    },
  },
  {
    title: "F9 excerpts are escaped, and matches stand in <em>",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {
        a: { lang: "en", title: `<b>Trees</b> & "more"`, body: `${"filler text ".repeat(100)} a <tree>`, tags: ["x"] },
        b: { lang: "zh", title: "一个编译器<包>" },
      });
      const [tree] = (await engine.search(shop.index, { text: "tree", pageSize: 1, highlight: true })).hits;
      assert.deepEqual([...(tree?.highlights.keys() ?? [])].toSorted(), ["body", "title"]);
      assert.match(
        tree?.highlights.get("title")?.join() ?? "",
        /^&lt;b&gt;<em>Trees<\/em>&lt;\/b&gt; &amp; (&quot;|")more(&quot;|")$/,
      );
      assert.match(tree?.highlights.get("body")?.join() ?? "", /&lt;<em>tree<\/em>&gt;$/);
      assert.ok((tree?.highlights.get("body")?.join() ?? "").length < 400);
      const [compiler] = (await engine.search(shop.index, { text: "编译器", pageSize: 1, highlight: true })).hits;
      assert.deepEqual(compiler?.highlights.get("title"), ["一个<em>编译器</em>&lt;包&gt;"]);
      const [plain] = (await engine.search(shop.index, { text: "tree", pageSize: 1 })).hits;
      assert.equal(plain?.highlights.size, 0);
    },
  },
  {
    title: "F11 suggestions start with the prefix or have a word that does, each text once",
    run: async (fixture) => {
      const engine = await shopWith(fixture, {
        a: { name: "libfoo-dev", title: "Developing things" },
        b: { name: "Deva", title: "Developing things" },
        c: { name: "other", title: "nothing here", body: "dev" },
      });
      const texts = async (prefix: string, limit = 10): Promise<readonly string[]> =>
        (await engine.suggest(shop.index, { prefix, limit })).map(({ text }) => text);
      assert.deepEqual((await texts("DEV")).toSorted(), ["Deva", "Developing things", "libfoo-dev"].toSorted());
      assert.deepEqual(await texts("developing t"), ["Developing things"]);
      for (const prefix of ["xyz%", "", " "]) assert.deepEqual(await texts(prefix), []);
      assert.equal((await texts("dev", 1)).length, 1);
    },
  },
  {
    title: "F12 a scan is every match in order of id, from the moment it began",
    run: async (fixture) => {
      const engine = await shopWith(fixture, many);
      const query = { text: "apple", filter: parseFilter("size>=1") };
      const expected = Object.keys(many).filter((_, at) => at % 5 >= 1);
      const ids: unknown[] = [];
      for await (const document of engine.scan(shop.index, query, signal)) {
        ids.push(document.id);
        if (ids.length === 1) {
          const deleted = expected.map((id) => ({ kind: "delete", id }) as const);
          await engine.apply(shop.index, [
            ...deleted,
            { kind: "put", id: "d99", document: { id: "d99", title: "apple", size: 3 } },
          ]);
        }
      }
      assert.deepEqual(ids, expected);
    },
  },
  {
    title: "F12 a scan ends when its signal aborts, and may be left early",
    run: async (fixture) => {
      const engine = await shopWith(fixture, many);
      for await (const document of engine.scan(shop.index, { text: "" }, signal)) {
        assert.equal(document.id, "d00");
        break;
      }
      const aborted = AbortSignal.abort();
      await assert.rejects(Array.fromAsync(engine.scan(shop.index, { text: "" }, aborted)), { code: "CANCELLED" });
    },
  },
  {
    title: "F14 a search and suggestions that are given up end with the signal's reason, and nobody else notices",
    run: async (fixture) => {
      const engine = await shopWith(fixture, many);
      const asks: readonly ((signal?: AbortSignal) => Promise<readonly string[]>)[] = [
        async (signal) => {
          const page = await engine.search(shop.index, { text: "apple", pageSize: 100, facets: ["tags"] }, signal);
          return page.hits.map(({ id }) => id);
        },
        async (signal) => {
          const found = await engine.suggest(shop.index, { prefix: "app", limit: 100 }, signal);
          return found.map(({ text }) => text);
        },
      ];
      for (const ask of asks) {
        const right = await ask();
        const reason = new WeftError("DEADLINE_EXCEEDED", "the deadline passed");
        await assert.rejects(ask(AbortSignal.abort()), { code: "CANCELLED" });
        await assert.rejects(ask(AbortSignal.abort(reason)), reason);
        const leaving = new AbortController();
        const left = Promise.allSettled(Array.from({ length: 10 }, () => ask(leaving.signal)));
        const stayed = Promise.allSettled(Array.from({ length: 10 }, () => ask()));
        await new Promise((resolve) => setImmediate(resolve));
        leaving.abort(reason);
        // Those that were answered before they could be given up have the answer.
        for (const result of await left) {
          if (result.status === "fulfilled") assert.deepEqual(result.value, right);
          else assert.equal(result.reason, reason);
        }
        for (const result of await stayed) assert.deepEqual(result, { status: "fulfilled", value: right });
        assert.deepEqual(await ask(), right);
      }
    },
  },
];
