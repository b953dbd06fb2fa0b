import { once } from "node:events";
import { Socket } from "node:net";
import { WeftError } from "@weft/kit";
import { describe, expect, test } from "vitest";
import { createClient, openServer, openTransport } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { aborted, collect, errorFrom, openEcho, until } from "../testing/harness.ts";

describe("draining", () => {
  test("lets calls in flight finish and refuses new ones", async () => {
    let finish: (() => void) | undefined;
    await using echo = await openEcho({
      say: async ({ text }) => {
        if (text === "slow") await new Promise<void>((resolve) => (finish = resolve));
        return { text };
      },
    });
    const client = createClient(EchoService, echo.transport);
    const slow = client.say({ text: "slow" });
    await until(() => finish !== undefined);
    const drained = echo.server.drain(new AbortController().signal);
    const refused = await errorFrom(client.say({ text: "new" }, { timeoutMs: 1_000 }));
    expect(refused).toMatchObject({ code: "UNAVAILABLE" });
    finish?.();
    expect(await slow).toMatchObject({ text: "slow" });
    await drained;
  });

  test("ends endless streams at once, and whatever is left when patience is over", async () => {
    const reasons: unknown[] = [];
    let begun = 0;
    await using echo = await openEcho({
      async *watch(_, { signal }) {
        begun += 1;
        yield {};
        await aborted(signal);
        reasons.push(signal.reason);
      },
      sum: (_, { signal }) => {
        begun += 1;
        signal.addEventListener("abort", () => reasons.push(signal.reason));
        return new Promise(() => undefined);
      },
    });
    const client = createClient(EchoService, echo.transport);
    const watching = errorFrom(collect(client.watch({})));
    async function* nothing() {}
    const summing = errorFrom(client.sum(nothing()));
    const patience = new AbortController();
    await until(() => begun === 2);
    const drained = echo.server.drain(patience.signal);
    expect(await watching).toMatchObject({ reason: "DRAINING" });
    expect(reasons).toHaveLength(1);
    patience.abort();
    expect(await summing).toMatchObject({ code: "UNAVAILABLE" });
    await drained;
    await echo.server.drain(patience.signal);
    for (const reason of reasons) expect(reason).toMatchObject({ reason: "DRAINING" });
    expect(reasons).toHaveLength(2);
  });

  test("a peer that is frozen keeps no connection open", async () => {
    const sockets = [new Socket(), new Socket()];
    try {
      await using echo = await openEcho({});
      const [host = "", port] = echo.server.address.split(":");
      for (const [index, socket] of sockets.entries()) {
        socket.on("error", () => undefined).connect({ host, port: Number(port) });
        // The server's first frame: it has taken the connection.
        await once(socket, "data");
        if (index === 1) socket.write(`PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${"\0\0\0\u0004\0\0\0\0\0"}`);
        socket.pause();
      }
      await echo.server.drain(new AbortController().signal);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
  });

  test("what a handler hears of another server's draining is passed on as UNAVAILABLE", async () => {
    await using echo = await openEcho({
      missing: () => {
        throw new WeftError("DRAINING", "the other one stops");
      },
    });
    const error = await errorFrom(createClient(EchoService, echo.transport).missing({}));
    expect(error).toMatchObject({ reason: "UNAVAILABLE" });
  });
});

test("a port in use is one clear error", async () => {
  await using first = await openServer({ host: "127.0.0.1", port: 0, services: [] });
  const port = Number(first.address.split(":")[1]);
  const error = await errorFrom(openServer({ host: "127.0.0.1", port, services: [] }));
  expect(error).toMatchObject({ reason: "FAILED_PRECONDITION" });
  expect(String(error)).toContain(`can't listen on 127.0.0.1:${port}`);
});

test("a call to a server that is gone fails as UNAVAILABLE, and a closed transport refuses", async () => {
  const server = await openServer({ host: "127.0.0.1", port: 0, services: [] });
  await server[Symbol.asyncDispose]();
  const transport = openTransport({ address: server.address });
  const client = createClient(EchoService, transport);
  const error = await errorFrom(client.say({}, { timeoutMs: 200 }));
  expect(error).toMatchObject({ reason: "UNAVAILABLE", message: `no instance of ${server.address} can be reached` });
  await transport[Symbol.asyncDispose]();
  expect(await errorFrom(client.say({}, { timeoutMs: 200 }))).toBeInstanceOf(WeftError);
});
