import { create } from "@bufbuild/protobuf";
import { SearchResponseSchema, SearchService } from "@weft/contracts/search";
import { ManualClock, WeftError } from "@weft/kit";
import fc from "fast-check";
import { beforeEach, expect, test } from "vitest";
import { createClient, type FallbackAnswer, type Transport, withFallback } from "./index.ts";
import { EchoService } from "./testing/echo.ts";
import { collect, openEcho } from "./testing/harness.ts";
import { formatDegraded, parseDegraded } from "./wire/degraded.ts";

let told: FallbackAnswer[];
const onFallback = (answer: FallbackAnswer): void => void told.push(answer);
beforeEach(() => void (told = []));

/** Searches that fail from the second one on: then the first answer stands in, 3 s old. */
async function withLastAnswer() {
  const clock = new ManualClock();
  let asked = 0;
  const target: Transport = {
    unary: async () => {
      asked += 1;
      if (asked > 1) throw new WeftError("UNAVAILABLE", "nobody is there");
      return create(SearchResponseSchema, { totalHits: 7 });
    },
    stream: () => {
      throw new WeftError("UNIMPLEMENTED", "no streams here");
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  const search = createClient(SearchService, withFallback(target, { target: "search", clock }));
  return { search, later: () => clock.advance(3_000) };
}

test("who serves a call with a fallback's answer says so, through every process on the way", async () => {
  const { search, later } = await withLastAnswer();
  await using inner = await openEcho({
    say: async (_, parent) => ({ number: (await search.search({ index: "a" }, { parent })).totalHits }),
  });
  const within = createClient(EchoService, inner.transport);
  await using outer = await openEcho({ say: (_, parent) => within.say({}, { parent }) });
  const client = createClient(EchoService, outer.transport);
  expect(await client.say({}, { onFallback })).toMatchObject({ number: 7 });
  expect(told).toEqual([]);
  await later();
  expect(await client.say({}, { onFallback })).toMatchObject({ number: 7 });
  expect(told).toEqual([{ kind: "partial", ageMs: 3_000 }]);
  // Nobody has to listen.
  expect(await client.say({})).toMatchObject({ number: 7 });
});

test("streams say so at their end", async () => {
  const { search, later } = await withLastAnswer();
  await search.search({ index: "a" });
  await later();
  await using echo = await openEcho({
    async *count(_, parent) {
      yield { number: (await search.search({ index: "a" }, { parent })).totalHits };
    },
    sum: async (requests, parent) => {
      await collect(requests);
      return { number: (await search.search({ index: "a" }, { parent })).totalHits };
    },
    async *chat(requests) {
      yield* requests;
    },
  });
  const client = createClient(EchoService, echo.transport);
  async function* one() {
    yield { text: "a" };
  }
  expect(await collect(client.count({}, { onFallback }))).toMatchObject([{ number: 7 }]);
  expect(await client.sum(one(), { onFallback })).toMatchObject({ number: 7 });
  expect(told).toEqual([
    { kind: "partial", ageMs: 3_000 },
    { kind: "partial", ageMs: 3_000 },
  ]);
  await collect(client.chat(one(), { onFallback }));
  expect(told).toHaveLength(2);
});

test("a handler with a fallback of its own says which; of several the oldest counts; a failure says nothing", async () => {
  const given: Readonly<Record<string, readonly FallbackAnswer[]>> = {
    one: [{ kind: "empty", ageMs: 0 }],
    same: [
      { kind: "cached", ageMs: 5 },
      { kind: "cached", ageMs: 2 },
    ],
    others: [
      { kind: "cached", ageMs: 5 },
      { kind: "empty", ageMs: 0 },
    ],
    fails: [{ kind: "empty", ageMs: 0 }],
  };
  await using echo = await openEcho({
    say: ({ text }, context) => {
      for (const answer of given[text] ?? []) context.markDegraded(answer);
      if (text === "fails") throw new WeftError("NOT_FOUND", "not even that");
      // Whoever marks what it has answered already is not heard.
      setImmediate(() => context.markDegraded({ kind: "empty", ageMs: 0 }));
      return { text };
    },
  });
  const client = createClient(EchoService, echo.transport);
  for (const text of ["one", "same", "others", "none"]) await client.say({ text }, { onFallback });
  await expect(client.say({ text: "fails" }, { onFallback })).rejects.toMatchObject({ reason: "NOT_FOUND" });
  expect(told).toEqual([
    { kind: "empty", ageMs: 0 },
    { kind: "cached", ageMs: 5 },
    { kind: "partial", ageMs: 5 },
  ]);
});

test("what is written of a mark is read of it, and nothing of anything else", () => {
  const kinds = fc.constantFrom<FallbackAnswer["kind"][]>("cached", "empty", "partial");
  fc.assert(
    fc.property(kinds, fc.nat(), (kind, ageMs) => {
      expect(parseDegraded(formatDegraded({ kind, ageMs }))).toEqual({ kind, ageMs });
    }),
  );
  for (const text of [undefined, "", "stale", "cached;", "cached; age-ms=-1", "cached; age-ms=1e9", "toString", 7]) {
    expect(parseDegraded(text)).toBeUndefined();
  }
});
