import { once } from "node:events";
import { connect, constants } from "node:http2";
import { Client, credentials, Metadata, type StatusObject } from "@grpc/grpc-js";
import { Health } from "@weft/contracts/grpc";
import { ManualClock } from "@weft/kit";
import type { Decision } from "@weft/resilience";
import { describe, expect, test, vi } from "vitest";
import { type CallContext, type CallInfo, createClient, openServer } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { collect, compute, errorFrom, openEcho, until } from "../testing/harness.ts";
import { ServerLoad } from "./load.ts";
import { planOf } from "./plan.ts";

/** No room for anybody but the health service. */
const full = { concurrency: { minLimit: 0, maxLimit: 0 } } as const;
const say = "/weft.test.v1.EchoService/Say";

/** The end of a call as it goes over the wire, made without a client of ours. */
function bareCall(address: string, metadata = new Metadata(), body = Buffer.alloc(0)): Promise<StatusObject> {
  const client = new Client(address, credentials.createInsecure());
  const same = (bytes: Buffer): Buffer => bytes;
  return new Promise((resolve) => {
    const call = client.makeUnaryRequest(say, same, same, body, metadata, { deadline: Date.now() + 10_000 }, () => {
      // The status says it all.
    });
    call.on("status", (status) => {
      client.close();
      resolve(status);
    });
  });
}

describe("a server without room", () => {
  test("refuses before it looks, and says when to come back", async () => {
    const decisions: Decision[] = [];
    const calls: CallInfo[] = [];
    await using echo = await openEcho(
      { say: () => ({}) },
      {
        overload: full,
        name: "echo",
        onDecision: (decision) => decisions.push(decision),
        onCall: (info) => calls.push(info),
      },
    );
    const metadata = new Metadata();
    metadata.set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    // No server that decodes this would call it anything but INVALID_ARGUMENT.
    const status = await bareCall(echo.server.address, metadata, Buffer.from([255, 255, 255]));
    expect(status.code).toBe(8);
    expect(status.metadata.get("weft-refused")).toEqual(["1"]);
    expect(status.metadata.get("x-trace-id")).toEqual(["0af7651916cd43dd8448eb211c80319c"]);
    const error = await errorFrom(createClient(EchoService, echo.transport).missing({}, { timeoutMs: 10_000 }));
    expect(error).toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
    expect(error).toHaveProperty("retryAfterMs", expect.any(Number));
    expect(decisions[0]).toEqual({
      kind: "shed",
      target: "echo",
      method: "weft.test.v1.EchoService/Say",
      reason: "concurrency",
    });
    expect(calls[0]).toMatchObject({ code: "RESOURCE_EXHAUSTED", durationMs: 0 });
    expect(echo.server.stats.shed.interactive).toBeGreaterThanOrEqual(2);
    expect(echo.server.stats.inFlight).toBe(0);
  });

  test("refuses streams too, whatever they go on to send", async () => {
    await using echo = await openEcho({ sum: async (requests) => ({ number: (await collect(requests)).length }) });
    const client = createClient(EchoService, echo.transport);
    async function* endless() {
      for (;;) yield { payload: new Uint8Array(10_000) };
    }
    echo.server.configure(full);
    expect(await errorFrom(client.sum(endless(), { timeoutMs: 10_000 }))).toMatchObject({
      reason: "RESOURCE_EXHAUSTED",
    });
    const counting = errorFrom(collect(client.count({}, { timeoutMs: 10_000 })));
    expect(await counting).toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
  });

  test("answers health checks all the same, and everybody once it has room again", async () => {
    await using echo = await openEcho({ say: () => ({ text: "here" }) }, { overload: full });
    const health = createClient(Health, echo.transport);
    expect(await health.check({})).toMatchObject({ status: 2 });
    echo.server.configure({});
    expect(await createClient(EchoService, echo.transport).say({})).toMatchObject({ text: "here" });
  });

  test("refuses batch first, and critical calls last", async () => {
    const waiting: (() => void)[] = [];
    await using echo = await openEcho(
      { say: () => new Promise((resolve) => waiting.push(() => resolve({}))) },
      { overload: { concurrency: { minLimit: 10, maxLimit: 10 } } },
    );
    const client = createClient(EchoService, echo.transport);
    const calls: Promise<unknown>[] = [];
    const fill = async (count: number, priority: NonNullable<Parameters<typeof client.say>[1]>["priority"]) => {
      const expected = waiting.length + count;
      for (let call = 0; call < count; call += 1) {
        calls.push(client.say({}, priority === undefined ? {} : { priority }));
      }
      await until(() => waiting.length === expected);
    };
    const patience = { timeoutMs: 5_000 } as const;
    const refused = expect.objectContaining({ reason: "RESOURCE_EXHAUSTED" });
    await fill(7, "batch");
    expect(await errorFrom(client.say({}, { ...patience, priority: "batch" }))).toEqual(refused);
    await fill(3, undefined);
    expect(await errorFrom(client.say({}, patience))).toEqual(refused);
    await fill(20, "critical");
    expect(echo.server.stats).toMatchObject({ limit: 10, inFlight: 30, shed: { critical: 0 } });
    for (const answer of waiting) answer();
    await Promise.all(calls);
    await until(() => echo.server.stats.inFlight === 0);
  });
});

test("a call made for a call has its priority, and the contract's where nobody says", async () => {
  const seen: string[] = [];
  const note = ({ priority }: CallContext): object => {
    seen.push(priority);
    return {};
  };
  await using inner = await openEcho({ say: (_, context) => note(context) });
  await using outer = await openEcho({
    say: (_, context) => createClient(EchoService, inner.transport).say({}, { parent: context }),
  });
  const client = createClient(EchoService, outer.transport);
  await client.say({}, { priority: "batch" });
  await client.say({}, { metadata: { "weft-priority": "critical" } });
  await client.say({}, { metadata: { "weft-priority": "most urgent" } });
  await client.say({});
  expect(seen).toEqual(["batch", "critical", "interactive", "interactive"]);
});

test("what waited until its deadline is not begun", async () => {
  let begun = 0;
  const codes: string[] = [];
  await using echo = await openEcho(
    {
      say: () => {
        begun += 1;
        compute(400);
        return {};
      },
    },
    { onCall: ({ code }) => codes.push(code) },
  );
  const session = connect(`http://${echo.server.address}`);
  try {
    // In one go, so that all of them are there when the first one is begun.
    session.socket.cork();
    const streams = Array.from({ length: 4 }, () =>
      session
        .request({
          ":method": "POST",
          ":path": say,
          "content-type": "application/grpc",
          te: "trailers",
          "grpc-timeout": "300m",
        })
        .on("error", () => undefined)
        .end(Buffer.alloc(5)),
    );
    setImmediate(() => session.socket.uncork());
    await Promise.all(streams.map((stream) => once(stream.resume(), "close")));
    await until(() => codes.length === 4);
    expect(begun).toBe(1);
    expect(codes.slice(1)).toEqual(["DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"]);
  } finally {
    session.destroy();
  }
});

test("a handler that goes on after its caller has gone is known to be slow by then", async () => {
  const late = Promise.withResolvers<void>();
  await using echo = await openEcho({ say: () => late.promise.then(() => ({})) });
  const client = createClient(EchoService, echo.transport);
  expect(await errorFrom(client.say({}, { timeoutMs: 200 }))).toMatchObject({ code: "DEADLINE_EXCEEDED" });
  await until(() => echo.server.stats.latencyMs > 150, 20_000);
  late.resolve();
});

test("what ended while nobody looked says nothing of the calls that come later", () => {
  vi.useFakeTimers();
  try {
    const clock = new ManualClock();
    using load = new ServerLoad({ name: "s", clock, onDecision: undefined, overload: {} });
    const [method] = EchoService.methods;
    if (method === undefined) throw new Error("no method");
    const plan = planOf(method, undefined);
    const call = (): void => {
      load.take(plan, "interactive");
      load.ended("interactive");
    };
    call();
    vi.advanceTimersByTime(5_000);
    for (let at = 0; at < 10; at += 1) load.failed();
    load.worked(plan, { tookMs: 60_000, isComplete: true });
    call();
    vi.advanceTimersByTime(1_000);
    expect(load.stats).toMatchObject({ latencyMs: 0, errorShare: 0 });
  } finally {
    vi.useRealTimers();
  }
});

test("handlers hear that the server is under strain, and everybody else does", async () => {
  const decisions: Decision[] = [];
  // Whatever is measured is too much.
  const degrade = { latencyMs: -1, errorShare: -1, cpuShare: 2 };
  await using echo = await openEcho(
    { say: (_, { degraded }) => ({ number: degraded ? 1 : 0 }) },
    { overload: { degrade }, name: "echo", onDecision: (decision) => decisions.push(decision) },
  );
  const client = createClient(EchoService, echo.transport);
  expect(await client.say({})).toMatchObject({ number: 0 });
  await until(() => echo.server.stats.degraded, 20_000);
  expect(await client.say({})).toMatchObject({ number: 1 });
  expect(echo.server.stats).toMatchObject({ score: 75 });
  echo.server.configure({ degrade: { calmMs: 0, latencyMs: 1e6, errorShare: 2, cpuShare: 2 } });
  await until(() => !echo.server.stats.degraded, 20_000);
  expect(decisions).toEqual([
    { kind: "degraded", target: "echo", reason: "latency and errors" },
    { kind: "degraded", target: "echo", reason: "recovered" },
  ]);
});

describe("connections", () => {
  test("thousands of cancelled calls don't cost the others of their connection", async () => {
    // With room for all, however slow the machine: what is shown is that the connection holds.
    const overload = { concurrency: { minLimit: 10_000 }, turns: { maxTurnMs: 60_000 } };
    const handlers = { say: () => ({}), brief: () => new Promise<object>(() => undefined) };
    await using echo = await openEcho(handlers, { overload });
    const session = connect(`http://${echo.server.address}`);
    const headers = { ":method": "POST", "content-type": "application/grpc", te: "trailers" };
    let lost: unknown;
    session.on("error", (error) => (lost = error));
    session.on("goaway", (code) => (lost = `GOAWAY ${code}`));
    try {
      for (let round = 0; round < 25; round += 1) {
        const cancelled = Array.from({ length: 100 }, () => {
          const stream = session.request({ ...headers, ":path": "/weft.test.v1.EchoService/Brief" });
          stream.on("error", () => undefined);
          stream.close(constants.NGHTTP2_CANCEL);
          return once(stream, "close");
        });
        const innocent = session.request({ ...headers, ":path": say });
        const trailers = once(innocent, "trailers", { signal: AbortSignal.timeout(10_000) });
        innocent.resume().end(Buffer.alloc(5));
        expect((await trailers)[0]).toMatchObject({ "grpc-status": "0" });
        await Promise.all(cancelled);
      }
      expect(lost).toBeUndefined();
    } finally {
      session.destroy();
    }
  }, 60_000);

  test("but a flood of them does", async () => {
    const connections = { resetBurst: 50, resetsPerSecond: 1 };
    await using echo = await openEcho({ brief: () => new Promise<object>(() => undefined) }, { connections });
    const session = connect(`http://${echo.server.address}`);
    const closed = new Promise((resolve) => session.on("error", () => undefined).once("close", resolve));
    try {
      for (let call = 0; call < 200; call += 1) {
        const stream = session.request({ ":method": "POST", ":path": say, "content-type": "application/grpc" });
        stream.on("error", () => undefined).close(constants.NGHTTP2_CANCEL);
      }
      await closed;
    } finally {
      session.destroy();
    }
  });

  test("one that has reached its age is ended without a failed call", async () => {
    await using echo = await openEcho({ say: () => ({}) }, { connections: { maxAgeMs: 200, ageGraceMs: 5_000 } });
    const watcher = connect(`http://${echo.server.address}`);
    try {
      const ended = once(watcher, "goaway");
      const client = createClient(EchoService, echo.transport);
      for (const end = performance.now() + 1_000; performance.now() < end;) await client.say({});
      expect((await ended)[0]).toBe(constants.NGHTTP2_NO_ERROR);
    } finally {
      watcher.destroy();
    }
  });

  test("more than are allowed are closed", async () => {
    await using server = await openServer({
      host: "127.0.0.1",
      port: 0,
      services: [],
      connections: { maxConnections: 1 },
    });
    const [first, second] = [connect(`http://${server.address}`), connect(`http://${server.address}`)];
    try {
      const closed = [first, second].map(
        (session) => new Promise((resolve) => session.on("error", () => undefined).once("close", resolve)),
      );
      await Promise.race(closed);
      expect([first.destroyed, second.destroyed].filter(Boolean)).toHaveLength(1);
    } finally {
      first.destroy();
      second.destroy();
    }
  });
});
