import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errorCode } from "../errors.ts";
import { type FaultProxy, openProxy } from "./proxy.ts";
import { within } from "./wait.ts";

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

/** A server that answers each byte with itself, and keeps its half open until all is said. */
async function echo(
  answer: (socket: Socket) => void = (socket) => void socket.pipe(socket),
  random?: () => number,
): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket.on("error", () => undefined));
    answer(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  stack.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return stack.use(await openProxy((server.address() as AddressInfo).port, 0, random));
}

interface TestClient {
  readonly socket: Socket;
  /** All that came so far. */
  text(): string;
  /** How the connection ended: the code of its error, or `closed`. */
  readonly ended: Promise<string>;
}

async function connected({ port }: FaultProxy): Promise<TestClient> {
  const socket = connect({ port, host: "127.0.0.1" });
  stack.defer(() => void socket.destroy());
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  const ended = new Promise<string>((resolve) => {
    socket.on("error", (error) => resolve(errorCode(error) ?? error.message));
    socket.on("close", () => resolve("closed"));
  });
  await once(socket, "connect");
  return { socket, text: () => text, ended };
}

async function answers(client: TestClient, word: string): Promise<void> {
  client.socket.write(word);
  await within(2000, `an answer to ${word}`, () => client.text().endsWith(word));
}

describe("the proxy of the fault tests", () => {
  test("cut resets what is open and refuses what comes, until it is restored on the same port", async () => {
    const proxy = await echo();
    const client = await connected(proxy);
    await answers(client, "hello");
    const { port } = proxy;
    await proxy.cut();
    expect(await client.ended).toBe("ECONNRESET");
    await expect(connected(proxy)).rejects.toMatchObject({ code: "ECONNREFUSED" });
    await proxy.restore();
    expect(proxy.port).toBe(port);
    await answers(await connected(proxy), "again");
  });

  test("stall keeps connections open and passes nothing; what it held is lost when it is restored", async () => {
    const proxy = await echo();
    const before = await connected(proxy);
    await answers(before, "hello");
    await proxy.stall();
    const during = await connected(proxy);
    before.socket.write("lost");
    during.socket.write("lost");
    const first = await Promise.race([
      before.ended,
      during.ended,
      new Promise((wake) => setTimeout(wake, 100, "open")),
    ]);
    expect([first, before.text(), during.text()]).toEqual(["open", "hello", ""]);
    await proxy.restore();
    expect(await Promise.all([before.ended, during.ended])).toEqual(["ECONNRESET", "ECONNRESET"]);
    await answers(await connected(proxy), "again");
  });

  test("stall hides that the server is gone", async () => {
    let atServer: Socket | undefined;
    const proxy = await echo((socket) => (atServer = socket.on("data", () => undefined)));
    const client = await connected(proxy);
    await within(2000, "the server has it", () => atServer !== undefined);
    await proxy.stall();
    atServer?.resetAndDestroy();
    expect(await Promise.race([client.ended, new Promise((wake) => setTimeout(wake, 100, "open"))])).toBe("open");
    await proxy.restore();
    expect(await client.ended).toBe("ECONNRESET");
  });

  test("slow delays each way, keeps the order, and does not add up", async () => {
    const proxy = await echo();
    const client = await connected(proxy);
    await answers(client, "hello");
    await proxy.slow(100);
    const startedAt = performance.now();
    const words = Array.from({ length: 50 }, (_, at) => `${at};`);
    for (const word of words) {
      client.socket.write(word);
      await new Promise((wake) => setTimeout(wake, 1));
    }
    await within(5000, "all of it", () => client.text() === `hello${words.join("")}`);
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeGreaterThan(200);
    expect(tookMs).toBeLessThan(2500);
    await proxy.restore();
    await answers(client, "fast");
  });

  test("what is lost comes later and in order, and holds up what is behind it", async () => {
    const losses = [0.9, 0.9, 0.04, 0.04, 0.9];
    const proxy = await echo(undefined, () => losses.shift() ?? 0.9);
    const client = await connected(proxy);
    await answers(client, "hello");
    await proxy.lose(0.05);
    const startedAt = performance.now();
    client.socket.write("lost twice;");
    await new Promise((wake) => setTimeout(wake, 20));
    client.socket.write("behind");
    await within(5000, "both", () => client.text() === "hellolost twice;behind");
    expect(performance.now() - startedAt).toBeGreaterThan(590);
    await proxy.restore();
    await answers(client, "well");
  });

  test("reset breaks what is open once", async () => {
    const proxy = await echo();
    const client = await connected(proxy);
    await answers(client, "hello");
    await proxy.reset();
    expect(await client.ended).toBe("ECONNRESET");
    await answers(await connected(proxy), "again");
  });

  test.each([0, 30])("an end that has said all is still answered, with %d ms of latency", async (latencyMs) => {
    const said = Promise.withResolvers<string>();
    const proxy = await echo((socket) => {
      void buffer(socket).then((bytes) => {
        said.resolve(bytes.toString());
        socket.end("the answer");
      });
    });
    await proxy.slow(latencyMs);
    const client = await connected(proxy);
    client.socket.end("the question");
    expect(await said.promise).toBe("the question");
    expect(await client.ended).toBe("closed");
    expect(client.text()).toBe("the answer");
  });

  test("a server that is gone shows as a reset", async () => {
    const proxy = await echo((socket) => socket.resetAndDestroy());
    expect(await (await connected(proxy)).ended).toBe("ECONNRESET");
    const closed = createServer();
    closed.listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as AddressInfo;
    closed.close();
    const toNowhere = stack.use(await openProxy(port));
    expect(await (await connected(toNowhere)).ended).toBe("ECONNRESET");
  });

  test.each([0, 20])("much goes through whole, with %d ms of latency", async (latencyMs) => {
    const proxy = await echo();
    await proxy.slow(latencyMs);
    const sent = Buffer.alloc(
      16 * 1024 * 1024,
      Buffer.from(Uint32Array.from({ length: 65_521 }, (_, at) => at * 7919).buffer),
    );
    const socket = connect({ port: proxy.port, host: "127.0.0.1", allowHalfOpen: true });
    stack.defer(() => void socket.destroy());
    socket.end(sent);
    expect((await buffer(socket)).equals(sent)).toBe(true);
  });

  test("a reader that does not read makes the sender wait", async () => {
    const proxy = await echo((socket) => void socket.pause());
    const { socket } = await connected(proxy);
    let taken = 0;
    const chunk = Buffer.alloc(256 * 1024);
    // 128 MiB would be more than the buffers of all four sockets and the proxy.
    while (taken < 512) {
      taken += 1;
      if (socket.write(chunk)) continue;
      const drained = once(socket, "drain").then(() => true);
      if (!(await Promise.race([drained, new Promise<boolean>((wake) => setTimeout(wake, 200, false))]))) break;
    }
    expect(taken).toBeLessThan(512);
  });
});
