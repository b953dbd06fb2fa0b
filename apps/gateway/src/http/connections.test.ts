import dns from "node:dns";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { setImmediate as immediately, setTimeout as sleep } from "node:timers/promises";
import { NotificationService } from "@weft/contracts/notification";
import { SearchService } from "@weft/contracts/search";
import { UserService } from "@weft/contracts/user";
import { WeftError } from "@weft/kit";
import { within } from "@weft/kit/testing";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { GatewayConfig } from "../settings.ts";
import { type EdgeGuards, openTestEdge, ownLimits, type TestEdge, token } from "../testing/edge.ts";
import type { AnswerInfo } from "./handler.ts";

const limitMs = 10_000;

let open: AsyncDisposableStack;
beforeEach(() => void (open = new AsyncDisposableStack()));
afterEach(() => open.disposeAsync());

interface Gateway extends TestEdge {
  /** What was answered so far, to so many requests at least. */
  answers(count: number): Promise<readonly AnswerInfo[]>;
}

async function edgeOf(config: Partial<GatewayConfig> = {}, parts: EdgeGuards = {}): Promise<Gateway> {
  const all: AnswerInfo[] = [];
  const edge = open.use(await openTestEdge(config, { onAnswer: (info) => void all.push(info), ...parts }));
  const answers = async (count: number): Promise<readonly AnswerInfo[]> => {
    await within(limitMs, `${count} answers`, () => all.length >= count);
    return all;
  };
  return { ...edge, answers };
}

/** A connection that has said this. */
function saying({ url }: TestEdge, said: string): Socket {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname).on("error", () => undefined);
  open.defer(() => void socket.destroy());
  if (said !== "") socket.write(said);
  return socket;
}

const head = "host: x\r\nauthorization: Bearer some.good.token\r\n";
const get = (path: string): string => `GET /api/v1${path} HTTP/1.1\r\n${head}\r\n`;
const post = (path: string, rest: string): string => `POST /api/v1${path} HTTP/1.1\r\n${head}${rest}`;

/** Whether the other side takes no more. */
async function isStuck(socket: Socket | undefined): Promise<boolean> {
  await immediately();
  const waiting = socket?.writableLength ?? 0;
  if (waiting === 0) return false;
  await sleep(100);
  return socket?.writableLength === waiting;
}

/** The status of each answer in what was read. */
const statusesOf = (read: string): string[] => [...read.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status = ""]) => status);

describe("a drain while somebody reads slowly", () => {
  test.each([
    ["an answer", "/users/u1"],
    ["a download", "/search/packages:export"],
  ])("lets them have all of %s, and closes what is idle", async (_, path) => {
    const gateway = await edgeOf();
    const accepted: Socket[] = [];
    gateway.edge.app.server.on("connection", (socket) => accepted.push(socket));
    // More than the buffers of a connection take, and then no more than what waits before them.
    const piece = Buffer.alloc(8 * 1024, "x");
    gateway.fake
      .on(UserService.method.getUser, () => ({ user: { id: "u1", bio: "x".repeat(16 * 1024 * 1024) } }))
      .on(SearchService.method.export, async function* () {
        while (!(await isStuck(accepted.at(-1)))) yield { items: [piece] };
      });
    const idle = saying(gateway, get("/nowhere")).resume();
    await gateway.answers(1);
    const reader = saying(gateway, get(path));
    await gateway.answers(2);
    expect(accepted.at(-1)?.writableLength).toBeGreaterThan(0);
    const drained = gateway.edge.drain(AbortSignal.timeout(limitMs));
    // For longer than it takes to cut those who say nothing.
    await Promise.all([sleep(1_500), once(idle, "close")]);
    const read = await text(reader);
    const [headers = ""] = read.split("\r\n\r\n", 1);
    expect(statusesOf(headers)).toEqual(["200"]);
    const announced = /content-length: (\d+)/.exec(headers)?.[1];
    if (announced === undefined) expect(read.endsWith("\r\n0\r\n\r\n")).toBe(true);
    else expect(read.length).toBe(headers.length + 4 + Number(announced));
    await drained;
  });
});

describe("what is no HTTP", () => {
  test("behind a request whose answer has begun, is no part of that answer", async () => {
    const gateway = await edgeOf();
    gateway.fake.on(NotificationService.method.watch, async function* (_, { signal }) {
      yield { eventId: "1" };
      await once(signal, "abort");
    });
    const reader = saying(gateway, get("/notifications:watch"));
    await once(reader, "data").then(([first]: Buffer[]) => expect(String(first)).toContain("HTTP/1.1 200"));
    reader.write("no HTTP\r\n\r\n");
    expect(await text(reader)).not.toContain("HTTP/1.1");
    await gateway.answers(1);
  });

  test("and nothing at all, keeps no connection, though its caller never closes it", async () => {
    const { edge, url } = await edgeOf({ requestTimeoutMs: 500 });
    const { hostname, port } = new URL(url);
    const silent = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
    open.defer(() => void silent.destroy());
    expect(statusesOf(await text(silent))).toEqual(["408"]);
    const count = (): Promise<number> =>
      new Promise((resolve) => edge.app.server.getConnections((_, connections) => resolve(connections)));
    await within(2 * limitMs, "the end of it", async () => (await count()) === 0);
  });

  test("within a body is answered", async () => {
    const gateway = await edgeOf();
    const reader = saying(gateway, post("/users", "transfer-encoding: chunked\r\n\r\nno chunk\r\n"));
    expect(statusesOf(await text(reader))).toEqual(["400"]);
  });
});

describe("a caller who goes away", () => {
  test("is measured as gone, not as answered", async () => {
    const gateway = await edgeOf();
    gateway.fake.on(UserService.method.getUser, async (_, { signal }) => {
      await once(signal, "abort");
      throw WeftError.from(signal.reason);
    });
    const caller = saying(gateway, get("/users/u1"));
    await within(limitMs, "the call", () => gateway.fake.calls.length === 1);
    caller.destroy();
    expect(await gateway.answers(1)).toMatchObject([{ template: "/api/v1/users/{id}", status: 499 }]);
  });

  test("while the limits are asked, is not waited for", async () => {
    const asked = Promise.withResolvers<void>();
    const verified = Promise.withResolvers<{ subject: string; roles: string[] }>();
    const verify = (): Promise<{ subject: string; roles: string[] }> => {
      asked.resolve();
      return verified.promise;
    };
    const gateway = await edgeOf({ requestTimeoutMs: 600_000 }, { limits: (config) => ownLimits(config, { verify }) });
    const closed = new Promise((resolve) =>
      gateway.edge.app.server.on("request", (request) => request.once("close", resolve)),
    );
    const caller = saying(gateway, post("/users", 'content-length: 100\r\n\r\n{"email":'));
    await asked.promise;
    caller.destroy();
    await closed;
    verified.resolve({ subject: "ada", roles: [] });
    expect(await gateway.answers(1)).toMatchObject([{ template: "/api/v1/users", status: 499 }]);
  });
});

test("a name that has several addresses is listened on at one, whose connections are known", async () => {
  const lookup = vi.spyOn(dns, "lookup");
  open.defer(() => lookup.mockRestore());
  lookup.mockImplementation((...[name, , done]: readonly unknown[]) => {
    const addresses = name === "localhost" ? ["127.0.0.1", "127.0.0.2"] : [String(name)];
    if (typeof done === "function")
      done(
        null,
        addresses.map((address) => ({ address, family: 4 })),
      );
  });
  const { edge } = await edgeOf({ httpHost: "localhost" });
  expect(edge.app.addresses()).toMatchObject([{ address: "127.0.0.1" }]);
});

test("a connection over the bound is closed, and told of; the others go on", async () => {
  let dropped = 0;
  const gateway = await edgeOf({ maxConnections: 2 }, { onDrop: () => (dropped += 1) });
  gateway.fake.on(UserService.method.getUser, ({ id }) => ({ user: { id } }));
  const connections = [saying(gateway, ""), saying(gateway, "")];
  const ask = async (connection: Socket): Promise<void> => {
    connection.write(get("/users/u1"));
    const [read]: Buffer[] = await once(connection, "data");
    expect(statusesOf(String(read))).toEqual(["200"]);
  };
  for (const connection of connections) await ask(connection);
  let read = "";
  const third = saying(gateway, get("/users/u1")).on("data", (chunk: Buffer) => (read += chunk.toString()));
  await new Promise((resolve) => third.once("close", resolve));
  expect([read, dropped]).toEqual(["", 1]);
  for (const connection of connections) await ask(connection);
  connections[0]?.destroy();
  await within(limitMs, "room again", async () => {
    const response = await fetch(`${gateway.url}/api/v1/users/u1`, { headers: token }).catch(() => undefined);
    return response?.status === 200;
  });
});
