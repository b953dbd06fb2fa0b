import { create, type Message } from "@bufbuild/protobuf";
import { contractOf, services } from "@weft/contracts";
import { IndexerService } from "@weft/contracts/indexer";
import { Fallback } from "@weft/contracts/options";
import { SearchResponseSchema, SearchService, SuggestResponseSchema } from "@weft/contracts/search";
import { ManualClock, type Reason, WeftError } from "@weft/kit";
import type { Decision } from "@weft/resilience";
import { childOf } from "@weft/telemetry";
import { beforeEach, expect, test } from "vitest";
import { createClient } from "../client.ts";
import type { CallOptions, FallbackAnswer } from "../context.ts";
import type { Transport } from "../transport.ts";
import { withFallback } from "./fallback.ts";

const clock = new ManualClock();
let made: CallOptions[];
let fails: Reason | undefined;
let answer: (request: Message) => Message;
let decisions: Decision[];
let told: FallbackAnswer[];
/** What the target says of its own answers. */
let marked: FallbackAnswer | undefined;

const target: Transport = {
  unary: async (_method, request, options = {}) => {
    made.push(options);
    if (fails !== undefined) throw new WeftError(fails, "the target can't");
    if (marked !== undefined) options.onFallback?.(marked);
    return answer(request);
  },
  stream: () => {
    throw new WeftError("UNIMPLEMENTED", "no streams here");
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};

const found = (totalHits: number, degraded = false) => create(SearchResponseSchema, { totalHits, degraded });

function open() {
  const transport = withFallback(target, { target: "search", clock, onDecision: (one) => decisions.push(one) });
  return { transport, search: createClient(SearchService, transport) };
}

const token = (claims: object) => `Bearer e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.sig`;
let ada: string;
const as = (authorization: string): CallOptions => ({ authorization, onFallback: (one) => told.push(one) });

beforeEach(() => {
  ada = token({ sub: "ada", exp: (clock.now() + 100_000) / 1000 });
  [made, decisions, told, fails, marked] = [[], [], [], undefined, undefined];
  answer = () => found(7);
});

const failures = ["UNAVAILABLE", "BREAKER_OPEN", "BULKHEAD_FULL", "RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED"] as const;

test.each(failures)("%s: the last good answer stands in, marked and told", async (reason) => {
  const { search } = open();
  expect(await search.search({ index: "a" }, as(ada))).toMatchObject({ totalHits: 7, degraded: false });
  fails = reason;
  await clock.advance(3_000);
  expect(await search.search({ index: "a" }, as(ada))).toMatchObject({ totalHits: 7, degraded: true });
  expect(told).toEqual([{ kind: "cached", ageMs: 3_000 }]);
  const method = "weft.search.v1.SearchService/Search";
  expect(decisions).toEqual([{ kind: "fallback", target: "search", method, reason: "cached" }]);
  fails = undefined;
  expect(await search.search({ index: "a" }, as(ada))).toMatchObject({ degraded: false });
});

const said = ["NOT_FOUND", "PERMISSION_DENIED", "UNAUTHENTICATED", "INTERNAL", "CANCELLED", "UNIMPLEMENTED"] as const;

test.each([...said, "RATE_LIMITED"] as const)("%s is an answer, and stays one", async (reason) => {
  const { search } = open();
  await search.search({ index: "a" }, as(ada));
  fails = reason;
  await expect(search.search({ index: "a" }, as(ada))).rejects.toMatchObject({ reason });
  await expect(search.suggest({ index: "a" }, as(ada))).rejects.toMatchObject({ reason });
  expect([told, decisions]).toEqual([[], []]);
});

test("what was asked otherwise, or by somebody else, is not answered", async () => {
  const { search } = open();
  await search.search({ index: "a", q: "x" }, as(ada));
  fails = "UNAVAILABLE";
  const others = [
    search.search({ index: "a", q: "y" }, as(ada)),
    search.search({ index: "a", q: "x" }, as(token({ sub: "bob" }))),
    // The same claims, another signature: nobody has looked at that one.
    search.search({ index: "a", q: "x" }, as(`${ada}x`)),
    search.search({ index: "a", q: "x" }),
    search.search({ index: "a", q: "x" }, { ...as(ada), metadata: { tenant: "b" } }),
  ];
  for (const other of others) await expect(other).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  const signal = new AbortController().signal;
  const parent = { signal, deadline: Infinity, authorization: ada, trace: childOf(undefined) };
  expect(await search.search({ index: "a", q: "x" }, { parent })).toMatchObject({ degraded: true });
});

test("not when the token has expired since, and not after five minutes", async () => {
  const { search } = open();
  await search.search({ index: "a" }, as(ada));
  await search.search({ index: "b" }, as(token({ sub: "bob" })));
  fails = "UNAVAILABLE";
  await clock.advance(99_999);
  expect(await search.search({ index: "a" }, as(ada))).toMatchObject({ degraded: true });
  await clock.advance(1);
  await expect(search.search({ index: "a" }, as(ada))).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  await clock.advance(200_000);
  expect(await search.search({ index: "b" }, as(token({ sub: "bob" })))).toMatchObject({ degraded: true });
  await clock.advance(1);
  await expect(search.search({ index: "b" }, as(token({ sub: "bob" })))).rejects.toMatchObject({
    reason: "UNAVAILABLE",
  });
});

test("an empty answer, where the contract prefers it to none, and the last good one to that", async () => {
  const { search } = open();
  answer = () => create(SuggestResponseSchema, { suggestions: [{ text: "linux", id: "1" }] });
  await search.suggest({ index: "a", prefix: "li" }, as(ada));
  fails = "UNAVAILABLE";
  expect((await search.suggest({ index: "a", prefix: "li" }, as(ada))).suggestions).toHaveLength(1);
  expect((await search.suggest({ index: "a", prefix: "x" }, as(ada))).suggestions).toEqual([]);
  expect(told.map(({ kind }) => kind)).toEqual(["cached", "empty"]);
});

test("an answer that is degraded already is not kept", async () => {
  const { search } = open();
  answer = () => found(1, true);
  expect(await search.search({ index: "a" }, as(ada))).toMatchObject({ totalHits: 1, degraded: true });
  fails = "UNAVAILABLE";
  await expect(search.search({ index: "a" }, as(ada))).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});

test("nor is one that the target marks, of which its caller is told", async () => {
  const { search } = open();
  marked = { kind: "partial", ageMs: 9 };
  expect(await search.search({ index: "a" }, as(ada))).toMatchObject({ totalHits: 7, degraded: false });
  expect(told).toEqual([marked]);
  fails = "UNAVAILABLE";
  await expect(search.search({ index: "a" }, as(ada))).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});

test("what a caller does to its answer reaches nobody else, and newer answers take the place of older ones", async () => {
  const { search } = open();
  (await search.search({ index: "a" }, as(ada))).totalHits = 99;
  fails = "UNAVAILABLE";
  (await search.search({ index: "a" }, as(ada))).totalHits = 98;
  expect((await search.search({ index: "a" }, as(ada))).totalHits).toBe(7);
  fails = undefined;
  await clock.advance(1_000);
  answer = () => found(8);
  await search.search({ index: "a" }, as(ada));
  fails = "UNAVAILABLE";
  expect((await search.search({ index: "a" }, as(ada))).totalHits).toBe(8);
});

test("who gave up gets no answer; who has a fallback waits for nobody to come", async () => {
  const { search } = open();
  await search.search({ index: "a" }, as(ada));
  await search.search({ index: "a" }, as(ada));
  await search.search({ index: "a" }, { ...as(ada), patienceMs: 9 });
  expect(made.map(({ patienceMs }) => patienceMs)).toEqual([undefined, 500, 9]);
  fails = "DEADLINE_EXCEEDED";
  const signal = AbortSignal.abort();
  await expect(search.search({ index: "a" }, { ...as(ada), signal })).rejects.toMatchObject({ reason: fails });
});

test("switched off, all is as the target says; methods without a fallback always", async () => {
  const { transport, search } = open();
  await search.search({ index: "a" }, as(ada));
  transport.configureFallback({ enabled: false });
  fails = "UNAVAILABLE";
  await expect(search.search({ index: "a" }, as(ada))).rejects.toMatchObject({ reason: fails });
  await expect(search.suggest({ index: "a" }, as(ada))).rejects.toMatchObject({ reason: fails });
  const indexer = createClient(IndexerService, transport);
  await expect(indexer.listIndexes({}, as(ada))).rejects.toMatchObject({ reason: fails });
});

test("contracts: only reads have a fallback, and only those of one answer", () => {
  const methods = services.flatMap(({ service }) => service.methods);
  const withOne = methods.filter((method) => contractOf(method).policy.fallback !== Fallback.UNSPECIFIED);
  expect(withOne.map((method) => contractOf(method).name)).toContain("weft.search.v1.SearchService/Search");
  for (const method of withOne) {
    expect([method.methodKind, contractOf(method).noSideEffects]).toEqual(["unary", true]);
  }
});
