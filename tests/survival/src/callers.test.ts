import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Random } from "@weft/chaos-tests";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Callers } from "./callers.ts";
import { Windows } from "./histogram.ts";
import { Mix } from "./mix.ts";

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

const count = 20;

/** Callers before gateways that answer as told, what those have seen, and how one of them is closed. */
async function open(answer: (request: IncomingMessage, response: ServerResponse) => void, gateways = 1) {
  const seen = { connections: 0, requests: 0 };
  const servers = Array.from({ length: gateways }, () =>
    createServer((request, response) => {
      seen.requests += 1;
      request.resume().on("end", () => answer(request, response));
    })
      .on("connection", () => (seen.connections += 1))
      .listen(0, "127.0.0.1"),
  );
  const close = (at: number): void => {
    servers[at]?.close();
    servers[at]?.closeIdleConnections();
  };
  stack.defer(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });
  await Promise.all(servers.map((server) => once(server, "listening")));
  const urls = servers.map((server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const mix = new Mix({ ids: ["a", "b"], random: new Random(1), name: "test" });
  const begin = performance.now();
  const callers = new Callers({ urls, token: "t", count, mix, now: () => performance.now() - begin });
  await callers.open();
  return { callers, seen, close };
}

const ok = (_request: IncomingMessage, response: ServerResponse): void => void response.end("{}");

test("each caller has a connection of its own, and keeps it", async () => {
  const { callers, seen } = await open(ok);
  expect(seen).toEqual({ connections: count, requests: count });
  callers.pace(500);
  await sleep(500);
  const { tallies } = await callers.end();
  expect(seen.connections).toBe(count);
  expect(seen.requests).toBeGreaterThan(count + 50);
  // None of them counted yet.
  expect(tallies.read.calls).toBe(0);
});

test("calls that wait for a caller are as late as they waited; failures are told by how", async () => {
  let healthy = true;
  const { callers } = await open((request, response) => {
    if (healthy) ok(request, response);
    else if (request.url?.startsWith("/api/v1/users/") === true) response.destroy();
    else setTimeout(() => response.writeHead(503).end(`{"reason":"UNAVAILABLE","detail":"gone"}`), 300);
  });
  callers.count();
  healthy = false;
  callers.pace(400);
  await sleep(600);
  const { tallies, windows, failures, examples } = await callers.end();
  const { read, write, once: not } = tallies;
  expect(read.failed).toBe(read.calls);
  expect(write.failed + not.failed).toBe(write.calls + not.calls);
  expect(Windows.from(windows).between(0, 60_000).total).toBe(read.calls + write.calls);
  // 20 callers that take 300 ms for about half of their calls don't make 400 of them a second.
  expect(Windows.from(windows).between(0, 60_000).quantile(0.99)).toBeGreaterThan(310);
  const ways = failures.map(([what]) => what);
  expect(ways).toContain("read GET /api/v1/users/{id}: no answer: ECONNRESET");
  expect(ways).toContain("read GET /api/v1/search/packages: 503 UNAVAILABLE gone");
  expect(examples.length).toBeGreaterThan(5);
});

test("who finds its gateway gone goes to the next one, and stays there", async () => {
  const { callers, seen, close } = await open(ok, 2);
  callers.count();
  callers.pace(200);
  await sleep(300);
  close(0);
  await sleep(600);
  const { tallies, failures } = await callers.end();
  // A stream of which nobody can say what was taken is not sent again; all others are.
  expect(failures.filter(([what]) => !what.startsWith("once"))).toEqual([]);
  expect(tallies.read.calls).toBeGreaterThan(50);
  expect(seen.requests).toBeGreaterThan(count + 50);
});

test("who is turned down is told apart, and not taken for fast", async () => {
  const { callers } = await open((_request, response) => {
    response.writeHead(429, { "retry-after": "1" }).end(`{"reason":"RESOURCE_EXHAUSTED"}`);
  });
  callers.count();
  await callers.flood(100);
  expect(await callers.probe(2, 50)).toBe(0);
  const { tallies, windows } = await callers.end();
  const { read } = tallies;
  expect(read.calls).toBeGreaterThan(10);
  expect([read.failed, read.refused]).toEqual([read.calls, read.calls]);
  expect(Windows.from(windows).between(0, 60_000).total).toBe(0);
});

test("an answer by a fallback is no failure", async () => {
  const { callers } = await open((_request, response) => void response.end(`{"hits":[],"degraded":true}`));
  callers.count();
  callers.pace(100);
  await sleep(300);
  const { read } = (await callers.end()).tallies;
  expect(read.calls).toBeGreaterThan(5);
  expect([read.degraded, read.failed]).toEqual([read.calls, 0]);
});
