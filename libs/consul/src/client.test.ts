import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { inspect } from "node:util";
import { Secret } from "@weft/kit";
import { Stopwatch, within } from "@weft/kit/testing";
import { expect, test } from "vitest";
import { Consul, openConsul } from "./client.ts";
import { keyPart } from "./kv.ts";

const probe = (consul: Consul): Promise<unknown> => consul.call({ path: ["status", "leader"] });

test.each([
  ["http://s3cret@h", "consul://"],
  ["consul://:s3cret@a,b", "one host"],
  ["consul://user:s3cret@a", "no user"],
  ["consul://:s3cret@a/path", "no path"],
  ["consul://:s3cret%0a@a", "characters that no token has"],
  ["consul://:s3cret@a?nonsense=1", "'nonsense'"],
])("%s is refused, and not repeated", async (url, message) => {
  const refusal: unknown = await openConsul({ url: new Secret(url), probe }).catch((error: unknown) => error);
  expect(refusal).toMatchObject({ reason: "INVALID_CONFIGURATION", message: expect.stringContaining(message) });
  expect(inspect(refusal)).not.toContain("s3cret");
});

test("an agent that is not there, or answers nothing, is UNAVAILABLE when the time is up", async () => {
  const silent = await listen();
  const open = async (): Promise<unknown> => {
    using passed = new Stopwatch();
    const url = new Secret(`consul://:s3cret@127.0.0.1:${silent.port}`);
    const failure: unknown = await openConsul({ url, probe, openTimeoutMs: 300 }).catch((error: unknown) => error);
    expect(passed.ms).toBeLessThan(2000);
    expect(inspect(failure, { depth: 9 })).not.toContain("s3cret");
    return failure;
  };
  expect(await open()).toMatchObject({ reason: "UNAVAILABLE", cause: { reason: "DEADLINE_EXCEEDED" } });
  await silent[Symbol.asyncDispose]();
  expect(await open()).toMatchObject({ reason: "UNAVAILABLE", cause: { reason: "UNAVAILABLE" } });
});

test("closing cuts off what is under way, what waits for a free connection too, and refuses what comes", async () => {
  await using silent = await listen();
  const consul = new Consul({ url: new Secret(`consul://127.0.0.1:${silent.port}`) });
  const calls = Array.from({ length: 40 }, () => probe(consul));
  const outcomes = Promise.allSettled(calls);
  await within(2000, "calls are under way", () => silent.sockets.length > 0);
  using passed = new Stopwatch();
  consul[Symbol.dispose]();
  for (const outcome of await outcomes) {
    expect(outcome).toMatchObject({ reason: { reason: "UNAVAILABLE", message: expect.stringContaining("closed") } });
  }
  expect(passed.ms).toBeLessThan(1000);
  await expect(probe(consul)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});

test("a call that was given up before is not sent", async () => {
  await using silent = await listen();
  using consul = new Consul({ url: new Secret(`consul://127.0.0.1:${silent.port}`) });
  const call = consul.call({ path: ["status", "leader"], signal: AbortSignal.abort() });
  await expect(call).rejects.toMatchObject({ reason: "CANCELLED" });
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(silent.sockets).toHaveLength(0);
});

test.each([
  ["job", "job"],
  ["a/b//c", "a%2Fb%2F%2Fc"],
  ["..", "%2E%2E"],
  ["a..b", "a..b"],
  ["東", "%E6%9D%B1"],
])("the name %s is %s in a path", (name, part) => {
  expect(keyPart(name)).toBe(part);
});

test("half of a character is no name", () => {
  expect(() => keyPart("\ud800")).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
});

/** A server that accepts and says nothing. */
async function listen() {
  const sockets: Socket[] = [];
  const server = createServer((socket) => void sockets.push(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    if (server.listening) await once(server.close(), "close");
  };
  return { port: (server.address() as AddressInfo).port, sockets, [Symbol.asyncDispose]: close };
}
