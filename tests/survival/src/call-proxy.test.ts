import { setTimeout as sleep } from "node:timers/promises";
import { AuthService } from "@weft/contracts/user";
import { WeftError } from "@weft/kit";
import { createClient, implement, openServer, openTransport } from "@weft/rpc";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openCallProxy } from "./call-proxy.ts";

const tookMs = 40;
let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

/** A server behind a proxy, and how often it was called. */
async function open() {
  const seen = { calls: 0 };
  const handlers = {
    getJwks: async () => {
      seen.calls += 1;
      await sleep(tookMs);
      return { keys: [] };
    },
    login: async () => {
      seen.calls += 1;
      throw new WeftError("UNAUTHENTICATED", "the password is wrong");
    },
  };
  const server = stack.use(
    await openServer({ host: "127.0.0.1", port: 0, services: [implement(AuthService, handlers)] }),
  );
  let calls = 0;
  const random = (): number => ((calls += 1) % 2 === 0 ? 0.1 : 0.9);
  const proxy = stack.use(await openCallProxy({ target: Number(server.address.split(":").at(-1)), port: 0, random }));
  const transport = stack.use(openTransport({ address: `127.0.0.1:${proxy.port}` }));
  return { seen, server, proxy, client: createClient(AuthService, transport) };
}

const credentials = { email: "ada@example.org", password: "wrong" };

test("calls pass, answers and errors alike", async () => {
  const { client } = await open();
  await expect(client.getJwks({})).resolves.toMatchObject({ keys: [] });
  await expect(client.login(credentials)).rejects.toMatchObject({
    code: "UNAUTHENTICATED",
    message: "the password is wrong",
  });
  await Promise.all(Array.from({ length: 100 }, () => client.getJwks({})));
});

test("it fails a share of the calls, which the server does not see, until it is restored", async () => {
  const { client, proxy, seen } = await open();
  proxy.fail(0.5);
  const codes = await Promise.all(
    Array.from({ length: 10 }, () => client.login(credentials).catch((error: WeftError) => error.code)),
  );
  expect(codes.filter((code) => code === "UNAVAILABLE").length).toBe(5);
  expect([seen.calls, proxy.failed]).toEqual([5, 5]);
  proxy.restore();
  await expect(client.login(credentials)).rejects.toMatchObject({ code: "UNAUTHENTICATED" });
});

test("it makes answers slower by a factor, until it is restored", async () => {
  const { client, proxy } = await open();
  await client.getJwks({});
  proxy.slow(10);
  const startedAt = performance.now();
  await client.getJwks({});
  expect(performance.now() - startedAt).toBeGreaterThan(9 * tookMs);
  proxy.restore();
  await client.getJwks({});
});

test("with its server its connections end", async () => {
  const { client, server } = await open();
  await client.getJwks({});
  await server[Symbol.asyncDispose]();
  await expect(client.getJwks({}, { timeoutMs: 5000 })).rejects.toMatchObject({ code: "UNAVAILABLE" });
});
