import { sql } from "kysely";
import { generateKeyPair, importJWK, type JWK, SignJWT } from "jose";
import { Blocks, openSql } from "@weft/blocks";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Mesh, startMesh } from "./mesh.ts";
import { packagesIndex } from "./packages-index.ts";
import { type Problem, rest, type RestOptions } from "./rest.ts";

let mesh: Mesh;
let id: string;
beforeAll(async () => {
  mesh = await startMesh();
  const { body } = await rest<{ id: string }>(mesh, "/users", { body: { email: "a@example.org", name: "A" } });
  id = body.id;
  await rest(mesh, "/indexes", { body: packagesIndex });
});
afterAll(() => mesh?.[Symbol.asyncDispose]());

const json = { "content-type": "application/json" };
const cases: readonly [title: string, path: string, options: RestOptions, status: number, reason: string][] = [
  ["broken JSON", "/users", { body: '{"email":', headers: json }, 400, "MALFORMED_JSON"],
  ["JSON of another shape", "/users", { body: "[1,2]", headers: json }, 400, "MALFORMED_JSON"],
  ["an unknown field", "/users", { body: { email: "b@example.org", name: "B", shoeSize: 9 } }, 400, "UNKNOWN_FIELD"],
  ["a field of the wrong type", "/users", { body: { email: "b@example.org", name: 7 } }, 400, "INVALID_ARGUMENT"],
  ["an invalid e-mail", "/users", { body: { email: "not an address", name: "B" } }, 400, "INVALID_ARGUMENT"],
  [
    "a short password",
    "/users",
    { body: { email: "b@example.org", name: "B", password: "x" } },
    400,
    "INVALID_ARGUMENT",
  ],
  [
    "another content type",
    "/users",
    { body: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } },
    415,
    "UNSUPPORTED_MEDIA_TYPE",
  ],
  ["a forged page token", "/users?pageToken=Zm9yZ2Vk", {}, 400, "INVALID_PAGE_TOKEN"],
  ["a forged page token of a search", "/search/users?pageToken=Zm9yZ2Vk", {}, 400, "INVALID_PAGE_TOKEN"],
  ["a negative page size", "/users?pageSize=-1", {}, 400, "INVALID_ARGUMENT"],
  ["a page size that is no number", "/users?pageSize=many", {}, 400, "INVALID_ARGUMENT"],
  ["an unknown parameter", "/users?page=1", {}, 400, "UNKNOWN_FIELD"],
  ["bad filter syntax", "/users?filter=name%3D%3D%28", {}, 400, "INVALID_FILTER"],
  ["bad filter syntax in a search", "/search/packages?filter=lang%3D%28", {}, 400, "INVALID_FILTER"],
  ["a filter on an unknown field", "/search/packages?filter=colour%3Dred", {}, 400, "INVALID_FILTER"],
  ["an unknown order", "/users?orderBy=shoeSize", {}, 400, "INVALID_FILTER"],
  ["an unknown user", "/users/nobody", {}, 404, "NOT_FOUND"],
  ["an unknown index", "/search/nothing?q=a", {}, 404, "NOT_FOUND"],
  ["an unknown route", "/shoes", {}, 404, "ROUTE_NOT_FOUND"],
  ["a wrong method", "/users", { method: "PUT", body: {} }, 405, "METHOD_NOT_ALLOWED"],
  ["no token", "/users", { token: null }, 401, "UNAUTHENTICATED"],
  ["a token that is none", "/users", { token: "abc" }, 401, "UNAUTHENTICATED"],
  [
    "an index that exists in another form",
    "/indexes",
    { body: { index: "packages", fields: [{ name: "x", text: {} }] } },
    409,
    "ALREADY_EXISTS",
  ],
  [
    "an index with a bad name",
    "/indexes",
    { body: { index: "No Spaces", fields: [{ name: "x", text: {} }] } },
    400,
    "INVALID_ARGUMENT",
  ],
];

test.each(cases)("%s", async (_, path, options, status, reason) => {
  const answer = await rest<Problem>(mesh, path, options);
  expect({ status: answer.status, reason: answer.body.reason }).toEqual({ status, reason });
  expect(answer.headers.get("content-type")).toContain("application/problem+json");
  expect(answer.body).toMatchObject({
    status,
    title: expect.any(String),
    detail: expect.any(String),
    code: expect.any(String),
  });
  expect(answer.body.traceId).toMatch(/^[0-9a-f]{32}$/);
  expect(JSON.stringify(answer.body)).not.toMatch(/node_modules|\.ts:\d/);
});

test("a validation error names the field as the caller wrote it", async () => {
  const { body } = await rest<Problem>(mesh, "/users", { body: { email: "nope", name: "B" } });
  expect(body.errors.map(({ field }) => field)).toEqual(["email"]);
});

test("a stale etag", async () => {
  const stale = await rest<Problem>(mesh, `/users/${id}`, {
    method: "PATCH",
    body: { bio: "x" },
    headers: { "if-match": '"0"' },
  });
  expect(stale).toMatchObject({ status: 412, body: { reason: "PRECONDITION_FAILED" } });
  const { headers } = await rest(mesh, `/users/${id}`);
  await rest(mesh, `/users/${id}`, { method: "PATCH", body: { bio: "newer" } });
  const late = await rest<Problem>(mesh, `/users/${id}`, {
    method: "PATCH",
    body: { bio: "older" },
    headers: { "if-match": headers.get("etag") ?? "" },
  });
  expect(late).toMatchObject({ status: 412 });
});

/** The very key that the user service signs with, out of its database. */
async function signingKey(): Promise<{ readonly kid: string; readonly key: Awaited<ReturnType<typeof importJWK>> }> {
  await using stack = new AsyncDisposableStack();
  const database = await openSql(new Blocks({ dataDir: mesh.dataDir, urls: mesh.urls, stack }));
  const { rows } = await sql<{ kid: string; private_jwk: string }>`
    select kid, private_jwk from signing_keys`.execute(database.kysely);
  const [row] = rows;
  if (row === undefined) throw new Error("there is no signing key");
  return { kid: row.kid, key: await importJWK(JSON.parse(row.private_jwk) as JWK, "EdDSA") };
}

test("forged and expired tokens", async () => {
  const { privateKey } = await generateKeyPair("EdDSA");
  const genuine = await signingKey();
  const sign = (key: Parameters<SignJWT["sign"]>[0], expires: string): Promise<string> =>
    new SignJWT({ roles: ["admin"] })
      .setProtectedHeader({ alg: "EdDSA", kid: genuine.kid })
      .setIssuer("weft")
      .setSubject("admin")
      .setExpirationTime(expires)
      .sign(key);
  const expired = await rest<Problem>(mesh, "/users", { token: await sign(genuine.key, "1m ago") });
  expect(expired).toMatchObject({ status: 401, body: { code: "UNAUTHENTICATED", reason: "TOKEN_EXPIRED" } });
  expect((await rest(mesh, "/users", { token: await sign(genuine.key, "1m") })).status).toBe(200);
  const forged = await sign(privateKey, "1h");
  const [header, payload, signature] = mesh.token.split(".");
  const none = `${Buffer.from('{"alg":"none"}').toString("base64url")}.${payload}.`;
  const altered = `${header}.${Buffer.from('{"iss":"weft","sub":"admin","roles":["admin"],"exp":99999999999}').toString("base64url")}.${signature}`;
  for (const token of [forged, none, altered]) {
    expect(await rest(mesh, "/users", { token })).toMatchObject({ status: 401, body: { code: "UNAUTHENTICATED" } });
  }
});

test("a body of 100 MB is refused, and the gateway goes on", async () => {
  const response = await fetch(`${mesh.url}/api/v1/users`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: new Uint8Array(100 << 20).fill(32),
    signal: AbortSignal.timeout(30_000),
  }).catch(() => undefined);
  // The gateway may close the connection before all of it was sent.
  if (response !== undefined) expect(response.status).toBe(413);
  expect((await rest(mesh, "/users?pageSize=1")).status).toBe(200);
});

test("bad lines in the middle of an import are reported by number, the rest goes in", async () => {
  const lines = [
    '{"email":"one@example.org","name":"One"}',
    "{not json",
    '{"email":"two@example.org","name":"Two","shoeSize":9}',
    '{"email":"three@example.org"}',
    "",
    '{"email":"no address","name":"Four"}',
    '{"email":"five@example.org","name":"Five"}',
  ];
  const { status, body } = await rest<{ errors: { line: number; reason: string; detail: string }[] }>(
    mesh,
    "/users:import",
    {
      body: lines.join("\n"),
    },
  );
  expect({ status, body }).toMatchObject({ status: 200, body: { created: 2, skipped: 0, failed: 4 } });
  expect(body.errors.map(({ line }) => line)).toEqual([2, 3, 4, 6]);
  for (const { reason, detail } of body.errors)
    expect([reason, detail]).toEqual([expect.stringMatching(/^[A-Z_]+$/), expect.stringMatching(/./)]);
});

test("bad documents in a bulk load are reported by number, the rest goes in", async () => {
  const lines = ['{"id":"a","name":"a"}', "{", '{"name":"no id"}', '{"id":"b","installedKiB":"many"}', '{"id":"c"}'];
  const { status, body } = await rest<{ errors: { line: number }[] }>(mesh, "/indexes/packages/documents:bulk", {
    body: lines.join("\n"),
  });
  expect({ status, body }).toMatchObject({ status: 200, body: { indexed: 2, failed: 3 } });
  expect(body.errors.map(({ line }) => line)).toEqual([2, 3, 4]);
});

test("the services are unharmed", async () => {
  expect((await mesh.status()).map(({ state }) => state)).toEqual(Array.from({ length: 5 }, () => "ready"));
  expect(mesh.output()).not.toMatch(/restart/i);
});
