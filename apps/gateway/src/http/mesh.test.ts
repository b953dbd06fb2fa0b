import { implement, openServer, openTransport, type RpcServer, type Transport } from "@weft/rpc";
import { NotificationService } from "@weft/contracts/notification";
import { UserService } from "@weft/contracts/user";
import { WeftError } from "@weft/kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEdge, type TestEdge, token } from "../testing/edge.ts";
import type { AnswerInfo } from "./handler.ts";

// The edge over the real rpc server and transport: what the fake can't show.

let server: RpcServer;
let transport: Transport;
let edge: TestEdge;
let dropped = 0;
const answers: AnswerInfo[] = [];

beforeAll(async () => {
  const users = implement(UserService, {
    getUser: ({ id }, { trace, principal }) => ({ user: { id, name: principal?.subject ?? "", bio: trace.traceId } }),
    updateUser: () => {
      throw new WeftError("ETAG_MISMATCH", "it changed");
    },
    importUsers: async (requests) => {
      let created = 0;
      for await (const { items } of requests) created += items.length;
      return { created };
    },
  });
  const notifications = implement(NotificationService, {
    watch: async function* (_, { signal }) {
      yield { eventId: "1", notification: { id: "n1" } };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      dropped += 1;
    },
  });
  server = await openServer({
    host: "127.0.0.1",
    port: 0,
    services: [users, notifications],
    tokens: {
      verify: async (authorization) => {
        if (authorization !== token.authorization) throw new WeftError("UNAUTHENTICATED", "not a token of ours");
        return { subject: "admin", roles: ["admin"] };
      },
    },
  });
  server.health.set("", true);
  transport = openTransport({ address: server.address });
  edge = await openTestEdge({}, { transport, onAnswer: (info) => answers.push(info) });
});
afterAll(async () => {
  await edge[Symbol.asyncDispose]();
  await transport[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

test("one trace and one token from HTTP to the handler", async () => {
  const response = await fetch(`${edge.url}/api/v1/users/u1`, { headers: token });
  const body: unknown = await response.json();
  expect(body).toMatchObject({ id: "u1", name: "admin", bio: response.headers.get("x-trace-id") });
  expect(answers.at(-1)).toMatchObject({ method: "GET", template: "/api/v1/users/{id}", status: 200 });
});

test("errors of the server keep their reason: a forged token, an etag, a method that is not built", async () => {
  const forged = await fetch(`${edge.url}/api/v1/users/u1`, { headers: { authorization: "Bearer forged" } });
  expect([forged.status, await forged.json()]).toMatchObject([401, { reason: "UNAUTHENTICATED" }]);
  const stale = await fetch(`${edge.url}/api/v1/users/u1`, {
    method: "PATCH",
    headers: { ...token, "content-type": "application/json", "if-match": '"old"' },
    body: "{}",
  });
  expect(stale.status).toBe(412);
  expect((await fetch(`${edge.url}/api/v1/users`, { headers: token })).status).toBe(501);
});

test("an upload through both streams", async () => {
  const body = Array.from({ length: 2500 }, (_, n) =>
    n % 100 === 99 ? "{" : `{"email":"u${n}@b.org","name":"U"}`,
  ).join("\n");
  const headers = { ...token, "content-type": "application/x-ndjson" };
  const response = await fetch(`${edge.url}/api/v1/users:import`, { method: "POST", headers, body });
  expect(await response.json()).toMatchObject({ created: 2475, failed: 25 });
  const forged = await fetch(`${edge.url}/api/v1/users:import`, {
    method: "POST",
    headers: { ...headers, authorization: "Bearer forged" },
    body,
  });
  expect(forged.status).toBe(401);
});

test("an upload that is refused is answered while it is still open", async () => {
  const open = new TransformStream<Uint8Array, Uint8Array>();
  const writer = open.writable.getWriter();
  void writer.write(Buffer.from('{"email":"a@b.org"}\n')).catch(() => undefined);
  const response = await fetch(`${edge.url}/api/v1/users:import`, {
    method: "POST",
    headers: { authorization: "Bearer forged", "content-type": "application/x-ndjson" },
    body: open.readable,
    duplex: "half",
  });
  expect([response.status, await response.json()]).toMatchObject([401, { reason: "UNAUTHENTICATED" }]);
  await writer.abort().catch(() => undefined);
});

test("an event stream that its reader leaves ends the call behind it", async () => {
  const abort = new AbortController();
  const response = await fetch(`${edge.url}/api/v1/notifications:watch`, { headers: token, signal: abort.signal });
  const reader = response.body?.getReader();
  let text = "";
  while (!text.includes("data:")) text += Buffer.from((await reader?.read())?.value ?? []).toString();
  expect(text).toContain("id: 1\nevent: notification\ndata: {");
  abort.abort();
  await expect.poll(() => dropped).toBe(1);
});
