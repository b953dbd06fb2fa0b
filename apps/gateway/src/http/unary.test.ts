import { WeftError } from "@weft/kit";
import { IndexerService } from "@weft/contracts/indexer";
import { NotificationService } from "@weft/contracts/notification";
import { SearchService } from "@weft/contracts/search";
import { AuthService, UserService } from "@weft/contracts/user";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { openTestEdge, type TestEdge, token } from "../testing/edge.ts";
import { lastRequest } from "../testing/fake-transport.ts";

let edge: TestEdge;
beforeAll(async () => {
  edge = await openTestEdge();
});
afterAll(() => edge[Symbol.asyncDispose]());

const user = { id: "u1", email: "ada@example.org", name: "Ada", etag: "v7" };

beforeEach(() => {
  edge.fake.calls.length = 0;
  edge.fake
    .on(UserService.method.createUser, ({ user: wanted }) => ({ user: { ...user, email: wanted?.email ?? "" } }))
    .on(UserService.method.getUser, ({ id }) => ({ user: { ...user, id } }))
    .on(UserService.method.updateUser, () => ({ user: { ...user, etag: "v8" } }))
    .on(UserService.method.deleteUser, () => ({}))
    .on(UserService.method.listUsers, () => ({ users: [user], nextPageToken: "" }))
    .on(AuthService.method.getJwks, () => ({ keys: [] }));
});

const call = (path: string, init: RequestInit & { headers?: Record<string, string> } = {}): Promise<Response> =>
  fetch(edge.url + path, { ...init, redirect: "manual", headers: { ...token, ...init.headers } });

const send = (method: string, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  call(path, { method, body: JSON.stringify(body), headers: { "content-type": "application/json", ...headers } });

test("a message is made of body, header and contract; 201 says where it is", async () => {
  const response = await send(
    "POST",
    "/api/v1/users",
    { email: "ada@example.org", name: "Ada" },
    { "idempotency-key": "k1" },
  );
  expect(response.status).toBe(201);
  expect(response.headers.get("location")).toBe("/api/v1/users/u1");
  expect(response.headers.get("etag")).toBe('"v7"');
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.json()).toEqual({
    id: "u1",
    email: "ada@example.org",
    name: "Ada",
    bio: "",
    location: "",
    locale: "",
    tags: [],
    etag: "v7",
  });
  expect(lastRequest(edge.fake, UserService.method.createUser)).toMatchObject({
    requestId: "k1",
    user: { name: "Ada" },
  });
});

test("an etag that is known is answered with 304", async () => {
  const first = await call("/api/v1/users/u1");
  expect(first.headers.get("cache-control")).toBe("private, no-cache");
  const etag = first.headers.get("etag") ?? "";
  const second = await call("/api/v1/users/u1", { headers: { "if-none-match": `"other", W/${etag}` } });
  expect([second.status, await second.text(), second.headers.get("etag")]).toEqual([304, "", etag]);
  expect((await call("/api/v1/users/u1", { headers: { "if-none-match": '"other"' } })).status).toBe(200);
});

test("HEAD is GET without the body", async () => {
  const response = await call("/api/v1/users/u1", { method: "HEAD" });
  expect([response.status, response.headers.get("etag"), await response.text()]).toEqual([200, '"v7"', ""]);
});

test("PATCH without a mask changes what the body names, even to nothing; If-Match becomes the etag", async () => {
  const response = await send("PATCH", "/api/v1/users/u1", { bio: "", tags: ["a"] }, { "if-match": '"v7"' });
  expect(response.status).toBe(200);
  expect(lastRequest(edge.fake, UserService.method.updateUser)).toMatchObject({
    id: "u1",
    etag: "v7",
    updateMask: { paths: ["bio", "tags"] },
  });
  await send("PATCH", "/api/v1/users/u1?updateMask=name,bio", { name: "B" });
  expect(lastRequest(edge.fake, UserService.method.updateUser).updateMask?.paths).toEqual(["name", "bio"]);
});

test("a mismatch of an etag that came by If-Match is 412, else 409", async () => {
  edge.fake.on(UserService.method.updateUser, () => {
    throw new WeftError("ETAG_MISMATCH", "it changed");
  });
  const byHeader = await send("PATCH", "/api/v1/users/u1", { bio: "x" }, { "if-match": 'W/"v6"' });
  expect([byHeader.status, await byHeader.json()]).toMatchObject([
    412,
    { reason: "PRECONDITION_FAILED", code: "ABORTED" },
  ]);
  const byQuery = await send("PATCH", "/api/v1/users/u1?etag=v6", { bio: "x" });
  expect([byQuery.status, await byQuery.json()]).toMatchObject([409, { reason: "ETAG_MISMATCH" }]);
});

test("204 has no body; in an envelope it is 200", async () => {
  const plain = await call("/api/v1/users/u1", { method: "DELETE" });
  expect([plain.status, await plain.text()]).toEqual([204, ""]);
  const accept = "application/vnd.weft.envelope+json";
  const wrapped = await call("/api/v1/users/u1", { method: "DELETE", headers: { accept } });
  expect([wrapped.status, await wrapped.json()]).toEqual([200, { code: "OK", message: "", data: {} }]);
  const missing = await call("/api/v1/nowhere", { headers: { accept } });
  expect([missing.status, await missing.json()]).toMatchObject([
    404,
    { code: "NOT_FOUND", message: "there is no route /api/v1/nowhere", data: { reason: "ROUTE_NOT_FOUND" } },
  ]);
});

test("query parameters: names of JSON and of the contract, repeated, typed", async () => {
  await call("/api/v1/users?pageSize=7&order_by=name%20desc&filter=a%3D%22b+c%22");
  expect(lastRequest(edge.fake, UserService.method.listUsers)).toMatchObject({
    pageSize: 7,
    orderBy: "name desc",
    filter: 'a="b c"',
  });
  edge.fake.on(SearchService.method.search, () => ({ hits: [{ id: "1", score: 0.5, document: { a: [1] } }] }));
  const response = await call("/api/v1/search/packages?q=x&facets=a,b&facets=c&highlight=true");
  expect(lastRequest(edge.fake, SearchService.method.search)).toMatchObject({
    index: "packages",
    facets: ["a", "b", "c"],
    highlight: true,
  });
  expect(await response.json()).toMatchObject({
    hits: [{ id: "1", score: 0.5, document: { a: [1] }, highlights: {} }],
    totalHits: 0,
    totalExact: false,
    facets: {},
    degraded: false,
  });
});

test("custom verbs, and ids with colons, percent signs and plus signs in them", async () => {
  edge.fake
    .on(SearchService.method.suggest, () => ({}))
    .on(UserService.method.batchGetUsers, () => ({}))
    .on(NotificationService.method.markRead, () => ({ notification: { id: "n1" } }))
    .on(IndexerService.method.getDocument, ({ id }) => ({ document: { id } }));
  await call("/api/v1/search/packages:suggest?prefix=g");
  expect(lastRequest(edge.fake, SearchService.method.suggest)).toMatchObject({ index: "packages", prefix: "g" });
  await call("/api/v1/users:batchGet?ids=a&ids=b,c%2Cd");
  expect(lastRequest(edge.fake, UserService.method.batchGetUsers).ids).toEqual(["a", "b", "c", "d"]);
  await call("/api/v1/notifications/n1:markRead", { method: "POST" });
  expect(lastRequest(edge.fake, NotificationService.method.markRead).id).toBe("n1");
  for (const [written, id] of [
    ["g++.zh", "g++.zh"],
    ["g%2B%2B.zh", "g++.zh"],
    ["a%2Fb", "a/b"],
    ["a:b", "a:b"],
    ["n1%3AmarkRead", "n1:markRead"],
    ["%E7%BC%96", "编"],
  ]) {
    const response = await call(`/api/v1/indexes/packages/documents/${written}`);
    expect(await response.json()).toEqual({ id });
  }
  expect((await fetch(`${edge.url}/.well-known/jwks.json`)).headers.get("cache-control")).toBe("public, max-age=60");
});

test("an additional binding leads to the same method", async () => {
  edge.fake.on(NotificationService.method.updatePreferences, ({ preferences }) => ({ preferences: preferences ?? {} }));
  for (const method of ["PUT", "PATCH"]) {
    const response = await send(method, "/api/v1/users/u1/notification-preferences", {
      locale: "de",
      channels: ["CHANNEL_EMAIL"],
    });
    expect(await response.json()).toMatchObject({ locale: "de", channels: ["CHANNEL_EMAIL"] });
  }
});

test("errors of the serving process: status, retry, fields in the caller's words, no insides", async () => {
  edge.fake.on(UserService.method.createUser, () => {
    throw new WeftError("INVALID_ARGUMENT", "no", { violations: [{ field: "user.email", description: "taken" }] });
  });
  const bad = await send("POST", "/api/v1/users", { email: "a@b.org", name: "A" });
  expect(bad.headers.get("content-type")).toBe("application/problem+json");
  expect(await bad.json()).toEqual({
    type: "/docs/errors#INVALID_ARGUMENT",
    title: "Invalid argument",
    status: 400,
    detail: "no",
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ARGUMENT",
    traceId: bad.headers.get("x-trace-id"),
    errors: [{ field: "email", description: "taken" }],
  });
  edge.fake.on(UserService.method.getUser, () => {
    throw new WeftError("RESOURCE_EXHAUSTED", "later", { retryAfterMs: 1500 });
  });
  const later = await call("/api/v1/users/u1");
  expect([later.status, later.headers.get("retry-after")]).toEqual([429, "2"]);
  edge.fake.on(UserService.method.getUser, () => {
    throw new TypeError("secret insides");
  });
  const broken = await call("/api/v1/users/u1");
  expect(broken.status).toBe(500);
  expect(await broken.text()).not.toContain("secret");
  const missing = await call("/api/v1/operations/1");
  expect([missing.status, await missing.json()]).toMatchObject([501, { reason: "UNIMPLEMENTED" }]);
});

test("a trace is continued, and every answer tells it", async () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c";
  const response = await call("/api/v1/users/u1", { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } });
  expect(response.headers.get("x-trace-id")).toBe(traceId);
  expect(response.headers.get("traceparent")).toMatch(new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`));
  expect(edge.fake.calls.at(-1)?.options).toMatchObject({ trace: { traceId }, authorization: token.authorization });
  for (const path of ["/nowhere", "/openapi.json", "/", "/api/v1/users/%zz"]) {
    expect((await call(path)).headers.get("x-trace-id")).toMatch(/^[0-9a-f]{32}$/);
  }
});

test("without a token what needs one is 401, and so is what can't be a token", async () => {
  for (const headers of [
    {},
    { authorization: "Basic abc" },
    { authorization: "Bearer" },
    { authorization: "Bearer a b" },
  ]) {
    const response = await fetch(`${edge.url}/api/v1/users/u1`, { headers: { ...headers } });
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    expect(await response.json()).toMatchObject({ reason: "UNAUTHENTICATED" });
  }
  expect(edge.fake.calls).toEqual([]);
});

test("a path that exists with another method is 405 and says which", async () => {
  const response = await call("/api/v1/users", { method: "DELETE" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, POST, OPTIONS"]);
  const options = await call("/api/v1/users", { method: "OPTIONS" });
  expect([options.status, options.headers.get("access-control-allow-origin")]).toEqual([204, null]);
  expect((await call("/api/v1/notifications/n1:markRead")).status).toBe(405);
});

test("an unfinished call is given up when its caller is", async () => {
  const given = Promise.withResolvers<void>();
  edge.fake.on(UserService.method.getUser, (_, { signal }) => {
    signal.addEventListener("abort", () => given.resolve());
    return new Promise(() => {});
  });
  const abort = new AbortController();
  const response = call("/api/v1/users/u1", { signal: abort.signal });
  await expect.poll(() => edge.fake.calls.length).toBe(1);
  abort.abort();
  await expect(response).rejects.toThrow();
  await given.promise;
});
