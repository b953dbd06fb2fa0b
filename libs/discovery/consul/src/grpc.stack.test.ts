import { once } from "node:events";
import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { openTestNamespace } from "@weft/consul/testing";
import { Secret } from "@weft/kit";
import { Recorder } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { expect, test } from "vitest";
import { openConsulDiscovery } from "./index.ts";

const ttlMs = 2000;

describeBackend("consul", (server) => {
  test("with check=grpc Consul itself asks the instance, whose silence or word takes it out", async () => {
    await using stack = new AsyncDisposableStack();
    const { url } = stack.use(await openTestNamespace(server().port));
    const health = stack.use(await openHealthServer());
    const discovery = stack.use(await openConsulDiscovery({ url: new Secret(`${url}&check=grpc`) }));
    const lists = new Recorder(discovery.watch("user", new AbortController().signal));
    // The address of an edge is not that of its gRPC server.
    const metadata = { grpc: health.address };
    await discovery.register({ service: "user", id: "a", address: "127.0.0.1:1", metadata }, { ttlMs });
    await lists.until(1000, "the instance", ({ instances }) => instances.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 2 * ttlMs));
    expect(health.asked).toBeGreaterThan(0);
    expect(lists.last?.instances.length).toBe(1);

    health.serving = false;
    await lists.until(ttlMs + 1000, "nobody", ({ instances }) => instances.length === 0);
    health.serving = true;
    await lists.until(ttlMs + 1000, "it again", ({ instances }) => instances.length === 1);
    await health[Symbol.asyncDispose]();
    await lists.until(ttlMs + 1000, "nobody again", ({ instances }) => instances.length === 0);
  });

  test("check is ttl or grpc", async () => {
    const url = new Secret(`${server().url}?check=http`);
    await expect(openConsulDiscovery({ url })).rejects.toMatchObject({ reason: "INVALID_CONFIGURATION" });
  });
});

/** A gRPC server of `grpc.health.v1.Health/Check` alone, as bytes: a frame of five bytes before `status = 1` or `2`. */
async function openHealthServer() {
  const server = createServer();
  const health = { serving: true, asked: 0, address: "", [Symbol.asyncDispose]: close };
  const sessions = new Set<{ destroy(): void }>();
  server.on("session", (session) => sessions.add(session));
  server.on("stream", (stream: ServerHttp2Stream) => {
    health.asked += 1;
    stream.resume();
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
    stream.end(Buffer.from([0, 0, 0, 0, 2, 8, health.serving ? 1 : 2]));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  health.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  return health;

  async function close(): Promise<void> {
    for (const session of sessions) session.destroy();
    server.close();
  }
}
