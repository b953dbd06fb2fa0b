import { SearchService } from "@weft/contracts/search";
import { ManualClock, WeftError } from "@weft/kit";
import { withFallback } from "@weft/rpc";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEdge, type TestEdge, token } from "../testing/edge.ts";
import { FakeTransport } from "../testing/fake-transport.ts";
import { degradedHeaders } from "./degraded.ts";

const fake = new FakeTransport();
const clock = new ManualClock();
let edge: TestEdge;
let isDown: boolean;

beforeAll(async () => {
  fake
    .on(SearchService.method.search, () => {
      if (isDown) throw new WeftError("UNAVAILABLE", "nobody is there");
      return { totalHits: 3 };
    })
    .on(SearchService.method.suggest, () => {
      throw new WeftError("BREAKER_OPEN", "left alone", { retryAfterMs: 2_000 });
    });
  const transport = withFallback(fake, { target: "search", clock });
  edge = await openTestEdge({ corsOrigins: ["*"] }, { transport });
});
afterAll(() => edge[Symbol.asyncDispose]());

const get = async (path: string, authorization = token.authorization) => {
  const response = await fetch(edge.url + path, { headers: { authorization } });
  const names = ["weft-degraded", "age", "cache-control"] as const;
  const body: unknown = await response.json();
  return { status: response.status, headers: names.map((name) => response.headers.get(name)), body, response };
};

test("an answer in place of the target's says so in its body and its headers, and only then", async () => {
  isDown = false;
  const good = { status: 200, headers: [null, null, "no-store"], body: { totalHits: 3, degraded: false } };
  expect(await get("/api/v1/search/users?q=a")).toMatchObject(good);
  isDown = true;
  await clock.advance(2_900);
  const answer = await get("/api/v1/search/users?q=a");
  expect(answer).toMatchObject({
    ...{ status: 200, headers: ["cached", "2", "no-store"], body: { totalHits: 3, degraded: true } },
  });
  expect(answer.response.headers.get("access-control-expose-headers")).toContain("Weft-Degraded, Age");
  expect(await get("/api/v1/search/users?q=b")).toMatchObject({ status: 503, body: { reason: "UNAVAILABLE" } });
  expect(await get("/api/v1/search/users?q=a", "Bearer of.somebody.else")).toMatchObject({ status: 503 });
  isDown = false;
  expect(await get("/api/v1/search/users?q=a")).toMatchObject(good);
});

test("an answer that the target made without others is as old as it is", () => {
  const headers = { "weft-degraded": "partial", age: undefined, "cache-control": "no-store" };
  expect(degradedHeaders({ kind: "partial", ageMs: 3_000 })).toEqual(headers);
});

test("an empty answer", async () => {
  expect(await get("/api/v1/search/users:suggest?prefix=a")).toMatchObject({
    ...{ status: 200, headers: ["empty", null, "no-store"], body: { suggestions: [] } },
  });
});
