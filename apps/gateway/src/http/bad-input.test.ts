import { connect } from "node:net";
import { request as httpRequest } from "node:http";
import { UserService } from "@weft/contracts/user";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEdge, type TestEdge, token } from "../testing/edge.ts";

let edge: TestEdge;
beforeAll(async () => {
  edge = await openTestEdge({ requestTimeoutMs: 500 });
  edge.fake.on(UserService.method.listUsers, () => ({})).on(UserService.method.getUser, () => ({ user: { id: "1" } }));
});
afterAll(() => edge[Symbol.asyncDispose]());

const json = { "content-type": "application/json" };
const good = { email: "ada@example.org", name: "Ada" };

interface Bad {
  readonly what: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
  readonly status: number;
  readonly reason: string;
  readonly fields?: readonly string[];
}

const post = (what: string, body: unknown, reason: string, fields?: readonly string[]): Bad => ({
  what,
  method: "POST",
  path: "/api/v1/users",
  headers: json,
  body: typeof body === "string" || Buffer.isBuffer(body) ? body : JSON.stringify(body),
  status: 400,
  reason,
  ...(fields && { fields }),
});
const get = (path: string, status: number, reason: string, fields?: readonly string[]): Bad => ({
  what: `GET ${path}`,
  path,
  status,
  reason,
  ...(fields && { fields }),
});

const deep = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);

const table: readonly Bad[] = [
  post("broken JSON", '{"email":', "MALFORMED_JSON"),
  post("a list for an object", "[]", "MALFORMED_JSON"),
  post("null", "null", "MALFORMED_JSON"),
  post("a text", '"x"', "MALFORMED_JSON"),
  post("bytes that are not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "MALFORMED_JSON"),
  post("an unknown field", { ...good, nickname: "x" }, "UNKNOWN_FIELD", ["nickname"]),
  post("__proto__", '{"__proto__":{"email":"a@b.org"},"email":"a@b.org","name":"A"}', "UNKNOWN_FIELD", ["__proto__"]),
  post("constructor", { ...good, constructor: 1 }, "UNKNOWN_FIELD", ["constructor"]),
  post("wrong types", { email: 1, name: "A", tags: ["a", 2] }, "INVALID_ARGUMENT", ["email", "tags[1]"]),
  post("null in a list", { ...good, tags: [null] }, "INVALID_ARGUMENT", ["tags[0]"]),
  post("an object for a text", { ...good, bio: {} }, "INVALID_ARGUMENT", ["bio"]),
  post("an invalid e-mail address", { email: "ada", name: "Ada" }, "INVALID_ARGUMENT", ["email"]),
  post("nothing at all", "", "INVALID_ARGUMENT", ["email", "name"]),
  post("half a character", '{"email":"a@b.org","name":"\\ud800"}', "INVALID_ARGUMENT"),
  post("a very deep value", `{"email":${deep(200_000)}}`, "INVALID_ARGUMENT", ["email"]),
  post("a field under both names", '{"email":"a@b.org","name":"A","requestId":"1"}', "UNKNOWN_FIELD"),
  {
    what: "a deep value where any is allowed",
    method: "POST",
    path: "/api/v1/indexes/a:reindex",
    headers: json,
    body: `{"definition":${'{"fields":[{"name":'.repeat(1)}${deep(100_000)}}]}}`,
    status: 400,
    reason: "INVALID_ARGUMENT",
  },
  {
    ...post("a form", "a=b", "UNSUPPORTED_MEDIA_TYPE"),
    headers: { "content-type": "application/x-www-form-urlencoded" },
    status: 415,
  },
  { ...post("text", "{}", "UNSUPPORTED_MEDIA_TYPE"), headers: { "content-type": "text/plain" }, status: 415 },
  {
    ...post("another charset", "{}", "UNSUPPORTED_MEDIA_TYPE"),
    headers: { "content-type": "application/json; charset=latin1" },
    status: 415,
  },
  {
    ...post("a malformed content type", "{}", "UNSUPPORTED_MEDIA_TYPE"),
    headers: { "content-type": ";;;" },
    status: 415,
  },
  {
    ...post("compression", "{}", "UNSUPPORTED_MEDIA_TYPE"),
    headers: { ...json, "content-encoding": "gzip" },
    status: 415,
  },
  {
    ...post("a long idempotency key", good, "INVALID_ARGUMENT", ["requestId"]),
    headers: { ...json, "idempotency-key": "k".repeat(200) },
  },
  get("/nowhere", 404, "ROUTE_NOT_FOUND"),
  get("/api/v1/users/", 404, "ROUTE_NOT_FOUND"),
  get("/api/v1/users//x", 404, "ROUTE_NOT_FOUND"),
  get("/api/v1/users/%zz", 400, "INVALID_ARGUMENT"),
  get("/api/v1/users/%ff", 400, "INVALID_ARGUMENT"),
  get("/%zz", 400, "INVALID_ARGUMENT"),
  get(`/api/v1/users/${"x".repeat(65)}`, 400, "INVALID_ARGUMENT", ["id"]),
  get(`/api/v1/users/${"x".repeat(9000)}`, 414, "URI_TOO_LONG"),
  get("/api/v1/users?pagesize=1", 400, "UNKNOWN_FIELD", ["pagesize"]),
  get("/api/v1/users?__proto__.a=1", 400, "UNKNOWN_FIELD", ["__proto__.a"]),
  get("/api/v1/users/1?id=2", 400, "UNKNOWN_FIELD", ["id"]),
  get("/api/v1/users?pageSize=x", 400, "INVALID_ARGUMENT", ["pageSize"]),
  get("/api/v1/users?pageSize=1.0", 400, "INVALID_ARGUMENT", ["pageSize"]),
  get("/api/v1/users?pageSize=", 400, "INVALID_ARGUMENT", ["pageSize"]),
  get("/api/v1/users?pageSize=-1", 400, "INVALID_ARGUMENT", ["pageSize"]),
  get("/api/v1/users?pageSize=99999999999", 400, "INVALID_ARGUMENT", ["pageSize"]),
  get("/api/v1/users?pageSize=1&page_size=2", 400, "INVALID_ARGUMENT", ["page_size"]),
  get("/api/v1/users?filter=%zz", 400, "INVALID_ARGUMENT"),
  get("/api/v1/users?filter=%ff", 400, "INVALID_ARGUMENT"),
  get("/api/v1/logs?from=yesterday", 400, "INVALID_ARGUMENT", ["from"]),
  get("/api/v1/search/x?highlight=yes", 400, "INVALID_ARGUMENT", ["highlight"]),
  {
    what: "a malformed If-Match",
    method: "DELETE",
    path: "/api/v1/users/1",
    headers: { "if-match": '"a", "b"' },
    status: 400,
    reason: "INVALID_ETAG",
  },
  {
    what: "an unclosed If-Match",
    method: "DELETE",
    path: "/api/v1/users/1",
    headers: { "if-match": '"a' },
    status: 400,
    reason: "INVALID_ETAG",
  },
  { what: "another method", method: "PUT", path: "/api/v1/users", status: 405, reason: "METHOD_NOT_ALLOWED" },
  { what: "a strange method", method: "PROPFIND", path: "/api/v1/users", status: 405, reason: "METHOD_NOT_ALLOWED" },
  {
    what: "a bad token",
    path: "/api/v1/users/1",
    headers: { authorization: "Basic eDp5" },
    status: 401,
    reason: "UNAUTHENTICATED",
  },
  {
    what: "no JSON lines",
    method: "POST",
    path: "/api/v1/users:import",
    body: "a=b",
    headers: { "content-type": "text/csv" },
    status: 415,
    reason: "UNSUPPORTED_MEDIA_TYPE",
  },
  {
    what: "an unknown parameter of an upload",
    method: "POST",
    path: "/api/v1/users:import?x=1",
    headers: json,
    body: "{}",
    status: 400,
    reason: "UNKNOWN_FIELD",
    fields: ["x"],
  },
];

test.each(table)(
  "$what is $status $reason",
  async ({ method = "GET", path = "/", headers, body, status, reason, fields }) => {
    const response = await fetch(edge.url + path, {
      method,
      headers: { ...token, ...headers },
      ...(body !== undefined && { body }),
    });
    const problem = (await response.json()) as { reason: string; status: number; errors: { field: string }[] };
    expect([response.status, problem.status, problem.reason]).toEqual([status, status, reason]);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect(response.headers.get("x-trace-id")).toMatch(/^[0-9a-f]{32}$/);
    if (fields !== undefined) expect(problem.errors.map(({ field }) => field)).toEqual(fields);
    expect(JSON.stringify(problem)).not.toMatch(/\.ts|node_modules/);
  },
);

const port = (): number => Number(new URL(edge.url).port);

/** What comes back for bytes that no client library would send. */
function raw(bytes: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port(), "127.0.0.1", () => socket.write(bytes));
    let answer = "";
    socket.on("data", (chunk: Buffer) => (answer += chunk.toString()));
    socket.on("error", reject);
    socket.on("end", () => resolve(answer));
    socket.setTimeout(5000, () => socket.destroy(new Error(`no answer but ${answer}`)));
  });
}

test.each([
  ["no HTTP", "hello\r\n\r\n", 400, "INVALID_ARGUMENT"],
  ["headers over the limit", `GET / HTTP/1.1\r\nhost: x\r\nx: ${"y".repeat(20_000)}\r\n\r\n`, 431, "HEADERS_TOO_LARGE"],
  ["headers that never end", "GET / HTTP/1.1\r\nhost: x\r\n", 408, "REQUEST_TIMEOUT"],
  [
    "a body that never comes",
    "POST /api/v1/users HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{",
    408,
    "REQUEST_TIMEOUT",
  ],
])("%s", async (_, bytes, status, reason) => {
  const answer = await raw(bytes);
  expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(answer).toContain(`"reason":"${reason}"`);
  expect(answer).toMatch(/x-trace-id: [0-9a-f]{32}/);
});

test.each([
  ["announced", { "content-length": String(100 * 1024 * 1024) }],
  ["not announced", {}],
])("a body of 100 MB, %s, is refused without being kept", async (_, headers) => {
  const before = process.memoryUsage().rss;
  const answer = await new Promise<{ status: number; text: string; sent: number }>((resolve, reject) => {
    const path = "/api/v1/users";
    const request = httpRequest({
      port: port(),
      host: "127.0.0.1",
      path,
      method: "POST",
      headers: { ...json, ...headers },
    });
    const chunk = Buffer.alloc(1024 * 1024, 0x20);
    let sent = 0;
    let answered = false;
    const more = (): void => {
      while (!answered && sent < 100) {
        sent += 1;
        if (!request.write(chunk)) return void request.once("drain", more);
      }
      request.end();
    };
    request.on("response", (response) => {
      answered = true;
      let text = "";
      response.on("data", (piece: Buffer) => (text += piece.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text, sent }));
    });
    request.on("error", reject);
    more();
  });
  expect(answer.status).toBe(413);
  expect(answer.text).toContain("PAYLOAD_TOO_LARGE");
  expect(answer.sent).toBeLessThan(50);
  expect(process.memoryUsage().rss - before).toBeLessThan(60 * 1024 * 1024);
  expect((await fetch(`${edge.url}/api/v1/users/1`, { headers: token })).status).toBe(200);
});

test("a caller that waits for 100 Continue is refused before it sends", async () => {
  const answer = await raw(
    `POST /api/v1/users HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\nconnection: close\r\ncontent-length: ${100 * 1024 * 1024}\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1.1 413 /);
});
