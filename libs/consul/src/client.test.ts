import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { inspect } from "node:util";
import { Secret } from "@weft/kit";
import { expect, test } from "vitest";
import { type Consul, openConsul } from "./client.ts";
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
  const silent = createServer();
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const open = async (): Promise<unknown> => {
    const startMs = performance.now();
    const url = new Secret(`consul://:s3cret@127.0.0.1:${port}`);
    const failure: unknown = await openConsul({ url, probe, openTimeoutMs: 300 }).catch((error: unknown) => error);
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(inspect(failure, { depth: 9 })).not.toContain("s3cret");
    return failure;
  };
  const sockets: { destroy(): void }[] = [];
  silent.on("connection", (socket) => sockets.push(socket));
  expect(await open()).toMatchObject({ reason: "UNAVAILABLE", cause: { reason: "DEADLINE_EXCEEDED" } });
  for (const socket of sockets) socket.destroy();
  silent.close();
  await once(silent, "close");
  expect(await open()).toMatchObject({ reason: "UNAVAILABLE", cause: { reason: "UNAVAILABLE" } });
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
