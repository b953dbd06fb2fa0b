import { once } from "node:events";
import { createServer, type RequestListener, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { parseServerUrl, Secret, silentLog, systemClock } from "@weft/kit";
import { Stopwatch, within } from "@weft/kit/testing";
import { afterEach, expect, test } from "vitest";
import { type Call, Server } from "./server.ts";

const stack: AsyncDisposable[] = [];
afterEach(async () => {
  for (const each of stack.splice(0).toReversed()) await each[Symbol.asyncDispose]();
});

const read: Call = { method: "POST", path: "/i/_search", body: {}, kind: "read" };

async function listen(answer: RequestListener, port = 0): Promise<HttpServer> {
  const http = createServer(answer);
  http.listen(port, "127.0.0.1");
  await once(http, "listening");
  stack.push({ [Symbol.asyncDispose]: () => close(http) });
  return http;
}

async function close(http: HttpServer): Promise<void> {
  if (!http.listening) return;
  http.close();
  http.closeAllConnections();
  await once(http, "close");
}

function portOf(http: HttpServer): number {
  return (http.address() as AddressInfo).port;
}

function connect(port: number, requestTimeoutMs = 5000): Server {
  const url = parseServerUrl(new Secret(`elasticsearch://127.0.0.1:${port}`), {
    scheme: "elasticsearch",
    defaultPort: 9200,
  });
  const server = new Server({ url, requestTimeoutMs, log: silentLog, clock: systemClock, random: () => 0.5 });
  stack.push(server);
  return server;
}

/** Answers with these statuses, one after the other, then with 200. */
function answers(statuses: readonly number[], seen: string[] = []): RequestListener {
  const left = [...statuses];
  return (request, response) => {
    if (request.url !== "/") seen.push(request.url ?? "");
    const status = request.url === "/" ? 200 : (left.shift() ?? 200);
    const error = { type: "es_rejected_execution_exception", reason: "busy" };
    response.writeHead(status, { "content-type": "application/json", "x-elastic-product": "Elasticsearch" });
    response.end(JSON.stringify(status === 200 ? { ok: true } : { error: { root_cause: [error], ...error }, status }));
  };
}

test("what was turned away is sent again, also a request that may be sent once", async () => {
  const seen: string[] = [];
  const server = connect(portOf(await listen(answers([429, 503], seen))));
  expect(await server.request({ ...read, kind: "once" })).toEqual({ ok: true });
  expect(seen).toHaveLength(3);
});

test("what goes on being turned away has the server's reason", async () => {
  const server = connect(portOf(await listen(answers([429, 429, 429, 429]))));
  await expect(server.request(read)).rejects.toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
});

test.each([
  ["read", 4],
  ["once", 1],
] as const)("a connection that breaks under a request of the kind %s has it sent %i times", async (kind, times) => {
  let seen = 0;
  const http = await listen((request, response) => {
    if (request.url === "/") return answers([])(request, response);
    seen += 1;
    request.socket.destroy();
  });
  await expect(connect(portOf(http)).request({ ...read, kind })).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  expect(seen).toBe(times);
});

test("while nobody listens a call fails within a second, then at once; it works again by itself", async () => {
  const http = await listen(answers([]));
  const port = portOf(http);
  const server = connect(port);
  await server.request(read);
  await close(http);
  using passed = new Stopwatch();
  await expect(server.request(read)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  expect(passed.ms).toBeLessThan(1500);
  const failsAtOnce = async (): Promise<boolean> => {
    const before = performance.now();
    await server.request(read).catch(() => undefined);
    return performance.now() - before < 10;
  };
  await within(3000, "calls fail at once", failsAtOnce);
  await listen(answers([]), port);
  await within(5000, "calls work again", () =>
    server.request(read).then(
      () => true,
      () => false,
    ),
  );
});

test("a server that answers nothing ends searches first, then writes, before their deadline", async () => {
  const server = connect(portOf(await listen(() => undefined)), 20_000);
  using passed = new Stopwatch();
  const write = server.request({ ...read, kind: "once" });
  await expect(server.request(read)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  expect(passed.ms).toBeLessThan(6000);
  await expect(write).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  expect(passed.ms).toBeLessThan(14_000);
});

test("a server that is there and takes its time has until the deadline", async () => {
  const slow: RequestListener = (request, response) => void (request.url === "/" && answers([])(request, response));
  const server = connect(portOf(await listen(slow)), 1500);
  await expect(server.request(read)).rejects.toMatchObject({ reason: "DEADLINE_EXCEEDED" });
});

test("a caller that gives up ends its request", async () => {
  const server = connect(portOf(await listen(() => undefined)));
  const signal = AbortSignal.abort();
  await expect(server.request({ ...read, signal })).rejects.toMatchObject({ code: "CANCELLED" });
});
