import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Discovery, Registration } from "@weft/discovery";
import { openEmbeddedDiscovery } from "@weft/discovery-embedded";
import { WeftError } from "@weft/kit";
import { Stopwatch } from "@weft/kit/testing";
import { describe, expect, test } from "vitest";
import { type Client, createClient, implement, openServer, openTransport, type RpcServer } from "./index.ts";
import { EchoService, IdentifiedEchoService } from "./testing/echo.ts";
import { errorFrom, until } from "./testing/harness.ts";
import { startProcess, traffic } from "./testing/load.ts";

interface Mesh extends AsyncDisposable {
  readonly discovery: Discovery;
  readonly client: Client<typeof EchoService>;
  start(id: string): Promise<{ server: RpcServer; leave(): Promise<void> }>;
}

async function openMesh(): Promise<Mesh> {
  const stack = new AsyncDisposableStack();
  const dataDir = await mkdtemp(join(tmpdir(), "weft-rpc-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const discovery = stack.use(await openEmbeddedDiscovery({ dataDir }));
  const transport = stack.use(openTransport({ target: "echo", discovery }));
  return {
    discovery,
    client: createClient(EchoService, transport),
    async start(id) {
      const server = stack.use(
        await openServer({
          host: "127.0.0.1",
          port: 0,
          services: [implement(EchoService, { say: () => ({ text: id }) })],
        }),
      );
      const registration: Registration = await discovery.register({
        service: "echo",
        id,
        address: server.address,
        metadata: {},
      });
      return {
        server,
        async leave() {
          await registration[Symbol.asyncDispose]();
          await server.drain(AbortSignal.timeout(2_000));
        },
      };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe("instances come and go", () => {
  test("calls are spread, and a new instance gets its share", async () => {
    await using mesh = await openMesh();
    await mesh.start("a");
    await mesh.start("b");
    const load = traffic(mesh.client);
    await until(() => (load.by.get("a") ?? 0) > 20 && (load.by.get("b") ?? 0) > 20);
    await mesh.start("c");
    await until(() => (load.by.get("c") ?? 0) > 20, 10_000);
    await load.end();
    expect(load.failures).toEqual([]);
  }, 60_000);

  test("a clean leave under load fails no call", async () => {
    await using mesh = await openMesh();
    const first = await mesh.start("a");
    await mesh.start("b");
    const load = traffic(mesh.client, { lanes: 16 });
    await until(() => (load.by.get("a") ?? 0) > 50);
    await first.leave();
    const served = load.by.get("a") ?? 0;
    const before = load.by.get("b") ?? 0;
    await until(() => (load.by.get("b") ?? 0) > before + 100);
    expect(load.by.get("a") ?? 0).toBeLessThanOrEqual(served + 16);
    await load.end();
    expect(load.failures).toEqual([]);
  });

  test("a server that stops without leaving the list refuses, and the call goes elsewhere", async () => {
    await using mesh = await openMesh();
    const first = await mesh.start("a");
    await mesh.start("b");
    const load = traffic(mesh.client, { lanes: 8 });
    await until(() => (load.by.get("a") ?? 0) > 20);
    await first.server.drain(AbortSignal.timeout(2_000));
    const before = load.by.get("b") ?? 0;
    await until(() => (load.by.get("b") ?? 0) > before + 100);
    await load.end();
    expect(load.failures).toEqual([]);
  });

  test("after an instance is killed, new calls go elsewhere within a second", async () => {
    await using mesh = await openMesh();
    const child = await startProcess();
    try {
      await mesh.discovery.register({ service: "echo", id: "child", address: child.address, metadata: {} });
      await mesh.start("b");
      const load = traffic(mesh.client, { lanes: 8 });
      await until(() => (load.by.get("child") ?? 0) > 20);
      child.process.kill("SIGKILL");
      using sinceKill = new Stopwatch();
      await new Promise((resolve) => child.process.once("exit", resolve));
      const before = load.by.get("b") ?? 0;
      await until(() => (load.by.get("b") ?? 0) > before + 30);
      expect(sinceKill.ms).toBeLessThan(1_000);
      await load.end();
      expect(load.failures).toEqual([]); // `Say` is safe to retry, so nobody noticed.
    } finally {
      child.process.kill("SIGKILL");
    }
  }, 60_000);

  test("calls wait for the first instance, and say so when there is none", async () => {
    await using mesh = await openMesh();
    using passed = new Stopwatch();
    const error = await errorFrom(mesh.client.say({}, { timeoutMs: 200 }));
    expect(error).toMatchObject({ reason: "UNAVAILABLE", message: "no instance of echo is there" });
    expect(passed.ms).toBeLessThan(1_500);
    const waiting = mesh.client.say({});
    await mesh.start("a");
    expect(await waiting).toMatchObject({ text: "a" });
  });
});

test("while the registry is away the last list stands, and the watch is opened again", async () => {
  await using server = await openServer({
    host: "127.0.0.1",
    port: 0,
    services: [implement(EchoService, { say: () => ({}) })],
  });
  let watches = 0;
  let told = 0;
  const discovery: Pick<Discovery, "watch"> = {
    async *watch() {
      watches += 1;
      if (watches > 1) throw new WeftError("UNAVAILABLE", "no registry");
      yield { instances: [{ service: "echo", id: "a", address: server.address, metadata: {} }], stale: false };
      told += 1;
      yield { instances: [], stale: true };
      told += 1;
    },
  };
  await using transport = openTransport({ target: "echo", discovery });
  const client = createClient(EchoService, transport);
  await client.say({});
  await until(() => told === 2 && watches >= 3);
  await client.say({}, { timeoutMs: 1_000 });
});

describe("retries", () => {
  test("a request that carries an id gets one, the same in each try", async () => {
    const seen: string[] = [];
    await using server = await openServer({
      host: "127.0.0.1",
      port: 0,
      services: [
        implement(IdentifiedEchoService, {
          say: ({ requestId }) => {
            seen.push(requestId);
            if (seen.length < 3) throw new WeftError("UNAVAILABLE", "not yet");
            return {};
          },
        }),
      ],
    });
    await using transport = openTransport({ address: server.address });
    const client = createClient(IdentifiedEchoService, transport);
    await client.say({});
    expect(seen).toHaveLength(3);
    expect(seen[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(new Set(seen).size).toBe(1);
    await client.say({ requestId: "mine" });
    expect(seen.at(-1)).toBe("mine");
  });

  test("only what is safe is tried again, at most three times, and a stream never after its first message", async () => {
    let [unsafe, safe, streams] = [0, 0, 0];
    const away = (): never => {
      throw new WeftError("UNAVAILABLE", "away");
    };
    await using server = await openServer({
      host: "127.0.0.1",
      port: 0,
      services: [
        implement(EchoService, {
          missing: () => {
            unsafe += 1;
            return away();
          },
          say: () => {
            safe += 1;
            return away();
          },
          async *count({ number }) {
            streams += 1;
            if (number === 1 || streams === 2) yield { number: streams };
            away();
          },
        }),
      ],
    });
    await using transport = openTransport({ address: server.address });
    const client = createClient(EchoService, transport);
    expect(await errorFrom(client.missing({}))).toMatchObject({ reason: "UNAVAILABLE" });
    expect(await errorFrom(client.say({}))).toMatchObject({ reason: "UNAVAILABLE" });
    expect([unsafe, safe]).toEqual([1, 3]);
    const got: number[] = [];
    const counting = async (number: number): Promise<void> => {
      for await (const echo of client.count({ number })) got.push(echo.number);
    };
    expect(await errorFrom(counting(0))).toMatchObject({ reason: "UNAVAILABLE" });
    expect([streams, got]).toEqual([2, [2]]);
  });

  test("a caller can give up between two tries", async () => {
    let tries = 0;
    await using server = await openServer({
      host: "127.0.0.1",
      port: 0,
      services: [
        implement(EchoService, {
          say: () => {
            tries += 1;
            throw new WeftError("UNAVAILABLE", "away", { retryAfterMs: 3_000 });
          },
        }),
      ],
    });
    await using transport = openTransport({ address: server.address });
    const giveUp = new AbortController();
    const calling = errorFrom(createClient(EchoService, transport).say({}, { signal: giveUp.signal }));
    await until(() => tries === 1);
    setTimeout(() => giveUp.abort(), 20);
    using passed = new Stopwatch();
    expect(await calling).toMatchObject({ reason: "CANCELLED" });
    expect(passed.ms).toBeLessThan(1_500);
    expect(tries).toBe(1);
  });

  test("a budget bounds retries to a tenth of the calls beyond the first ten", async () => {
    let tries = 0;
    await using server = await openServer({
      host: "127.0.0.1",
      port: 0,
      services: [
        implement(EchoService, {
          say: () => {
            tries += 1;
            throw new WeftError("UNAVAILABLE", "away");
          },
        }),
      ],
    });
    // The breaker would end it sooner.
    await using transport = openTransport({ address: server.address, policy: { breaker: { enabled: false } } });
    const client = createClient(EchoService, transport);
    await Promise.all(Array.from({ length: 100 }, () => errorFrom(client.say({}))));
    expect(tries).toBeGreaterThanOrEqual(110);
    expect(tries).toBeLessThanOrEqual(121);
  });
});
