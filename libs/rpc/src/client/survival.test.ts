import { Server, ServerCredentials } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { describe, expect, test } from "vitest";
import { createClient, openTransport } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { errorFrom, openEcho, until } from "../testing/harness.ts";
import { startProcess, traffic } from "../testing/load.ts";
import { openReplicas } from "../testing/replicas.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** All instances are as good as any from the beginning. */
const evenly = { balancing: { warmUp: { windowMs: 0 } } };

describe("an instance that freezes", () => {
  test("loses its calls to others long before their deadline, and gets calls again when it goes on", async () => {
    await using replicas = openReplicas(evenly);
    const child = await startProcess();
    try {
      replicas.add("child", child.address);
      await replicas.start("b", { say: () => ({ text: "b" }) });
      const load = traffic(replicas.client, { lanes: 16, timeoutMs: 30_000 });
      await until(() => (load.by.get("child") ?? 0) > 50 && (load.by.get("b") ?? 0) > 50, 15_000);
      child.process.kill("SIGSTOP");
      await until(() => replicas.decisions.some(({ reason }) => reason === "silent"), 10_000);
      const before = load.by.get("b") ?? 0;
      await until(() => (load.by.get("b") ?? 0) > before + 200, 15_000);
      expect(replicas.transport.status().endpoints).toContainEqual(
        expect.objectContaining({ id: "child", state: "suspect", connection: "silent" }),
      );
      // Whoever was stuck there goes elsewhere: the deadline is far away.
      await until(
        () => replicas.transport.status().endpoints.every(({ id, inFlight }) => id !== "child" || inFlight === 0),
        10_000,
      );

      child.process.kill("SIGCONT");
      const served = load.by.get("child") ?? 0;
      await until(() => (load.by.get("child") ?? 0) > served + 20, 15_000);
      await load.end();
      expect(load.failures).toEqual([]);
    } finally {
      child.process.kill("SIGKILL");
    }
  }, 60_000);

  test("and dies is not said to answer again", async () => {
    await using replicas = openReplicas(evenly);
    const child = await startProcess();
    try {
      replicas.add("child", child.address);
      await replicas.start("b", { say: () => ({ text: "b" }) });
      const load = traffic(replicas.client, { timeoutMs: 30_000 });
      await until(() => (load.by.get("child") ?? 0) > 50, 15_000);
      child.process.kill("SIGSTOP");
      await until(() => replicas.decisions.some(({ reason }) => reason === "silent"), 10_000);
      child.process.kill("SIGKILL");
      const connection = () => replicas.transport.status().endpoints.find(({ id }) => id === "child")?.connection;
      await until(() => connection() === "unreachable", 15_000);
      await load.end();
      expect(load.failures).toEqual([]);
      expect(replicas.decisions.filter(({ kind }) => kind === "readmitted")).toEqual([]);
    } finally {
      child.process.kill("SIGKILL");
    }
  }, 60_000);

  test("is not mistaken for one that is slow", async () => {
    await using replicas = openReplicas();
    let calls = 0;
    const slow = async () => {
      calls += 1;
      await pause(2_500);
      return { text: "at last" };
    };
    await replicas.start("a", { say: slow });
    await replicas.start("b", { say: slow });
    const answers = await Promise.all([1, 2, 3, 4].map(() => replicas.client.say({}, { timeoutMs: 20_000 })));
    expect(answers.map(({ text }) => text)).toEqual(Array(4).fill("at last"));
    expect(calls).toBe(4);
    expect(replicas.decisions).toEqual([]);
  }, 60_000);
});

describe("health", () => {
  test("an instance that says that it does not serve gets no new calls until it does", async () => {
    await using replicas = openReplicas(evenly);
    const a = await replicas.start("a", { say: () => ({ text: "a" }) });
    await replicas.start("b", { say: () => ({ text: "b" }) });
    const load = traffic(replicas.client);
    const count = (id: string): number => load.by.get(id) ?? 0;
    await until(() => count("a") > 20 && count("b") > 20, 15_000);
    a.health.set("", false);
    const endpoint = () => replicas.transport.status().endpoints.find(({ id }) => id === "a");
    await until(() => endpoint()?.connection === "not-serving" && endpoint()?.inFlight === 0, 10_000);
    const [before, others] = [count("a"), count("b")];
    await until(() => count("b") > others + 50, 15_000);
    expect(count("a")).toBe(before);
    a.health.set("", true);
    await until(() => count("a") > before + 20, 15_000);
    await load.end();
    expect(load.failures).toEqual([]);
  }, 60_000);

  test("where nobody says that he serves, whoever is there is called", async () => {
    await using echo = await openEcho({ say: () => ({ text: "still" }) });
    expect(await createClient(EchoService, echo.transport).say({})).toMatchObject({ text: "still" });
  });
});

describe("connections", () => {
  test("what hundreds of callers give up at once stops at a server that allows it", async () => {
    let [begun, stopped] = [0, 0];
    const say = (_request: unknown, { signal }: { readonly signal: AbortSignal }): Promise<object> => {
      begun += 1;
      return new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => reject(new Error(`${(stopped += 1)} have stopped`)));
      });
    };
    await using echo = await openEcho({ say });
    const client = createClient(EchoService, echo.transport);
    const giveUp = new AbortController();
    const calls: Promise<unknown>[] = [];
    while (calls.length < 600) {
      for (let n = 0; n < 20; n += 1)
        calls.push(errorFrom(client.say({}, { signal: giveUp.signal, timeoutMs: 50_000 })));
      await until(() => begun === calls.length, 15_000);
    }
    giveUp.abort();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ reason: "CANCELLED" });
    // Well before their deadlines.
    await until(() => stopped === begun, 15_000);
  }, 60_000);

  test("5,000 cancelled calls on one connection don't hurt 1,000 others", async () => {
    let begun = 0;
    const server = new Server();
    const same = (bytes: Buffer): Buffer => bytes;
    const shape = { requestStream: false, responseStream: false } as const;
    const codec = { requestSerialize: same, requestDeserialize: same, responseSerialize: same } as const;
    // A bare server: it bears as many resets as Node's default says.
    server.addService(
      { Say: { path: "/weft.test.v1.EchoService/Say", ...shape, ...codec, responseDeserialize: same } },
      {
        Say: (call: { request: Buffer }, respond: (error: null, value: Buffer) => void) => {
          begun += 1;
          // 'slow' is answered too late for anybody to wait.
          const isSlow = call.request.includes("slow");
          setTimeout(() => respond(null, call.request), isSlow ? 1_500 : 5);
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    try {
      await using transport = openTransport({ address: `127.0.0.1:${port}` });
      const client = createClient(EchoService, transport);
      await client.say({ text: "warm" });
      const innocent: Promise<unknown>[] = [];
      let cancelled = 0;
      for (let round = 0; round < 50; round += 1) {
        const giveUp = new AbortController();
        const doomed = Array.from({ length: 100 }, () =>
          errorFrom(client.say({ text: "slow" }, { signal: giveUp.signal, timeoutMs: 20_000 })),
        );
        for (let n = 0; n < 20; n += 1) innocent.push(client.say({ text: "fine" }, { timeoutMs: 20_000 }));
        await pause(10);
        giveUp.abort();
        for (const error of await Promise.all(doomed)) {
          expect(error).toMatchObject({ reason: "CANCELLED" });
          cancelled += 1;
        }
      }
      for (const answer of await Promise.all(innocent)) expect(answer).toMatchObject({ text: "fine" });
      expect([innocent.length, cancelled]).toEqual([1_000, 5_000]);
      // All of them reached the server over the one connection, so a retry did not help.
      await until(() => begun === 6_001, 10_000);
    } finally {
      server.forceShutdown();
    }
  }, 60_000);

  test("calls go on while servers end connections of a certain age, safe to repeat or not", async () => {
    const server = new Server({ "grpc.max_connection_age_ms": 300, "grpc.max_connection_age_grace_ms": 5_000 });
    const same = (bytes: Buffer): Buffer => bytes;
    const shape = { requestStream: false, responseStream: false } as const;
    const codec = { requestSerialize: same, requestDeserialize: same, responseSerialize: same } as const;
    let calls = 0;
    server.addService(
      { Missing: { path: "/weft.test.v1.EchoService/Missing", ...shape, ...codec, responseDeserialize: same } },
      {
        Missing: (call: { request: Buffer }, respond: (error: null, value: Buffer) => void) => {
          calls += 1;
          setTimeout(() => respond(null, call.request), 3);
        },
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    try {
      await using transport = openTransport({ address: `127.0.0.1:${port}` });
      const client = createClient(EchoService, transport);
      const end = performance.now() + 3_000;
      let made = 0;
      await Promise.all(
        Array.from({ length: 8 }, async () => {
          while (performance.now() < end) {
            await client.missing({ text: "x" });
            made += 1;
          }
        }),
      );
      expect(calls).toBe(made);
      expect(made).toBeGreaterThan(100);
    } finally {
      server.forceShutdown();
    }
  }, 60_000);

  test("what runs on an instance that left the list goes on to its end", async () => {
    await using replicas = openReplicas();
    let go: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    await replicas.start("a", {
      say: () => ({ text: "a" }),
      async *count() {
        yield { number: 1 };
        await gate;
        yield { number: 2 };
      },
    });
    const counting = replicas.client.count({})[Symbol.asyncIterator]();
    expect((await counting.next()).value).toMatchObject({ number: 1 });
    await replicas.start("b", { say: () => ({ text: "b" }) });
    replicas.remove("a");
    await until(() => replicas.transport.status().endpoints.every(({ id }) => id === "b"));
    for (let n = 0; n < 10; n += 1) expect(await replicas.client.say({})).toMatchObject({ text: "b" });
    go?.();
    expect((await counting.next()).value).toMatchObject({ number: 2 });
    expect((await counting.next()).done).toBe(true);
  });

  test("a transport that is disposed takes no calls, and lets those that run end", async () => {
    let go: (() => void) | undefined;
    const echo = await openEcho({
      say: async () => {
        await new Promise<void>((resolve) => (go = resolve));
        return { text: "done" };
      },
    });
    const client = createClient(EchoService, echo.transport);
    const running = client.say({});
    await until(() => go !== undefined);
    await echo.transport[Symbol.asyncDispose]();
    expect(await errorFrom(client.say({}))).toMatchObject({ reason: "CANCELLED" });
    go?.();
    expect(await running).toMatchObject({ text: "done" });
    await echo[Symbol.asyncDispose]();
  });
});

test("a call that is made again tells how much time is left", async () => {
  await using replicas = openReplicas();
  const seen: { leftMs: number; attempt: string | undefined }[] = [];
  await replicas.start("a", {
    say: (_, { deadline, metadata }) => {
      seen.push({ leftMs: deadline - Date.now(), attempt: metadata.get("grpc-previous-rpc-attempts") });
      if (seen.length < 2) throw new WeftError("UNAVAILABLE", "later", { retryAfterMs: 300 });
      return {};
    },
  });
  await replicas.client.say({}, { timeoutMs: 4_000 });
  expect(seen.map(({ attempt }) => attempt)).toEqual([undefined, "1"]);
  expect(seen[1]?.leftMs).toBeLessThanOrEqual((seen[0]?.leftMs ?? 0) - 290);
});
