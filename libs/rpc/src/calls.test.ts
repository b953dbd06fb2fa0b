import { randomBytes } from "node:crypto";
import { WeftError } from "@weft/kit";
import { describe, expect, test } from "vitest";
import { type CallContext, type CallInfo, createClient } from "./index.ts";
import { EchoService } from "./testing/echo.ts";
import { collect, errorFrom, openEcho, until } from "./testing/harness.ts";

async function* texts(...all: string[]) {
  for (const text of all) yield { text };
}

describe("calls", () => {
  test("all four kinds", async () => {
    await using echo = await openEcho({
      say: ({ text }) => ({ text: `${text}!` }),
      async *count({ number }) {
        for (let n = 1; n <= number; n += 1) yield { number: n };
      },
      sum: async (requests) => ({ number: (await collect(requests)).reduce((sum, { number }) => sum + number, 0) }),
      async *chat(requests) {
        for await (const { text } of requests) yield { text: text.toUpperCase() };
      },
    });
    const client = createClient(EchoService, echo.transport);
    expect(await client.say({ text: "hello" })).toMatchObject({ text: "hello!" });
    expect((await collect(client.count({ number: 3 }))).map(({ number }) => number)).toEqual([1, 2, 3]);
    async function* numbers() {
      for (let number = 1; number <= 100; number += 1) yield { number };
    }
    expect(await client.sum(numbers())).toMatchObject({ number: 5050 });
    expect((await collect(client.chat(texts("a", "b")))).map(({ text }) => text)).toEqual(["A", "B"]);
    expect(await collect(client.count({ number: 0 }))).toEqual([]);
    expect(await client.sum(texts())).toMatchObject({ number: 0 });
  });

  test("a bidi stream answers while the request goes on", async () => {
    await using echo = await openEcho({
      async *chat(requests) {
        for await (const { text } of requests) yield { text };
      },
    });
    const client = createClient(EchoService, echo.transport);
    let answered: (() => void) | undefined;
    async function* pingPong() {
      for (let n = 0; n < 3; n += 1) {
        const answer = new Promise<void>((resolve) => (answered = resolve));
        yield { text: String(n) };
        await answer;
      }
    }
    const seen: string[] = [];
    for await (const { text } of client.chat(pingPong())) {
      seen.push(text);
      answered?.();
    }
    expect(seen).toEqual(["0", "1", "2"]);
  });

  test("handlers keep their this", async () => {
    class Counter {
      #count = 0;
      say() {
        return { number: (this.#count += 1) };
      }
    }
    await using echo = await openEcho(new Counter());
    const client = createClient(EchoService, echo.transport);
    await client.say({});
    expect(await client.say({})).toMatchObject({ number: 2 });
  });

  test("the context tells deadline, trace, token and metadata", async () => {
    let seen: CallContext | undefined;
    await using echo = await openEcho({
      say: (_, context) => {
        seen = context;
        return {};
      },
    });
    const client = createClient(EchoService, echo.transport);
    const trace = {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      spanId: "b7ad6b7169203331",
      sampled: true,
      state: "a=b",
    };
    await client.say({}, { trace, timeoutMs: 400, metadata: { "x-thing": "one" } });
    expect(seen?.trace).toMatchObject({ traceId: trace.traceId, sampled: true, state: "a=b" });
    expect(seen?.trace.spanId).not.toBe(trace.spanId);
    expect(seen?.deadline).toBeGreaterThan(Date.now());
    expect(seen?.deadline).toBeLessThanOrEqual(Date.now() + 401);
    expect(seen?.metadata.get("x-thing")).toBe("one");
    expect(seen?.principal).toBeUndefined();
    expect(seen?.signal.aborted).toBe(false);
    await client.say({});
    expect(seen?.deadline).toBeGreaterThan(Date.now() + 4_000);
    expect(seen?.trace.traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  test("a call made for another one passes on its deadline, trace and token", async () => {
    const seen: CallContext[] = [];
    await using echo = await openEcho({
      say: (_, context) => {
        seen.push(context);
        return {};
      },
      known: () => ({}),
    });
    const client = createClient(EchoService, echo.transport);
    const parent = {
      signal: new AbortController().signal,
      deadline: Date.now() + 300,
      trace: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: false },
      authorization: undefined,
    };
    await client.say({}, { parent, timeoutMs: 4_000 });
    expect(seen[0]?.deadline).toBeLessThanOrEqual(parent.deadline + 2);
    expect(seen[0]?.trace).toMatchObject({ traceId: parent.trace.traceId, sampled: false });
    const late = client.say({}, { parent: { ...parent, deadline: Date.now() - 1 } });
    expect(await errorFrom(late)).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  });

  test("errors cross with reason, metadata, violations and retry time", async () => {
    await using echo = await openEcho({
      say: () => {
        throw new WeftError("STALE_VERSION", "too old", {
          metadata: { version: "3" },
          violations: [{ field: "user.email", description: "is taken" }],
          retryAfterMs: 1_500,
          cause: new Error("secret"),
        });
      },
      async *count() {
        yield { number: 1 };
        throw new WeftError("LEASE_LOST", "gone");
      },
      sum: () => Promise.reject(new WeftError("NOT_FOUND", "no")),
    });
    const client = createClient(EchoService, echo.transport);
    const error = await errorFrom(client.say({}));
    expect(error).toBeInstanceOf(WeftError);
    expect(error).toMatchObject({
      reason: "STALE_VERSION",
      message: "too old",
      metadata: { version: "3" },
      violations: [{ field: "user.email", description: "is taken" }],
      retryAfterMs: 1_500,
    });
    const numbers: number[] = [];
    const counting = (async () => {
      for await (const { number } of client.count({})) numbers.push(number);
    })();
    expect(await errorFrom(counting)).toMatchObject({ reason: "LEASE_LOST" });
    expect(numbers).toEqual([1]);
    expect(await errorFrom(client.sum(texts("a")))).toMatchObject({ reason: "NOT_FOUND" });
  });

  test("what is no WeftError tells the caller nothing, and the log everything", async () => {
    const logged: object[] = [];
    const log = { debug: () => undefined, warn: () => undefined, error: (fields: object) => void logged.push(fields) };
    const calls: CallInfo[] = [];
    await using echo = await openEcho(
      {
        say: () => {
          throw new Error("the password is hunter2");
        },
      },
      { log, onCall: (info) => calls.push(info) },
    );
    const client = createClient(EchoService, echo.transport);
    const trace = { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: true };
    expect(await errorFrom(client.say({}, { trace }))).toMatchObject({
      reason: "INTERNAL",
      message: "an unexpected error",
    });
    expect(logged).toMatchObject([
      { traceId: trace.traceId, code: "INTERNAL", err: { message: "the password is hunter2" } },
    ]);
    expect(calls).toMatchObject([{ method: "weft.test.v1.EchoService/Say", kind: "unary", code: "INTERNAL" }]);
  });

  test("an error is cut to what headers take, whatever it says", async () => {
    await using echo = await openEcho({
      say: ({ number }) => {
        const half = "😀".slice(0, 1);
        if (number === 1) throw new WeftError("NOT_FOUND", `nothing – ${half}`);
        throw new WeftError("INVALID_ARGUMENT", "x".repeat(100_000), {
          violations: Array.from({ length: 1_000 }, () => ({ field: "ids", description: "é".repeat(1_000) })),
        });
      },
    });
    const client = createClient(EchoService, echo.transport);
    expect(await errorFrom(client.say({ number: 1 }))).toMatchObject({
      reason: "NOT_FOUND",
      message: "nothing – \ufffd",
    });
    const error = await errorFrom(client.say({}));
    expect(error).toMatchObject({ reason: "INVALID_ARGUMENT" });
    if (error instanceof WeftError) expect(error.violations).toHaveLength(50);
  });

  test("what can't be sent fails before it is", async () => {
    await using echo = await openEcho({ say: () => ({}) });
    const client = createClient(EchoService, echo.transport);
    const bad = [
      errorFrom(client.say({}, { metadata: { "x-a": "é" } })),
      errorFrom(client.say({}, { metadata: { "x a": "b" } })),
      errorFrom(client.say({ number: 1.5 })),
    ];
    for (const error of await Promise.all(bad)) expect(error).toMatchObject({ reason: "INVALID_ARGUMENT" });
    expect(await errorFrom(client.say({}, { authorization: "Bearer \n" }))).toMatchObject({
      reason: "UNAUTHENTICATED",
    });
  });

  test("a method without a handler answers UNIMPLEMENTED", async () => {
    await using echo = await openEcho({});
    const client = createClient(EchoService, echo.transport);
    expect(await errorFrom(client.missing({}))).toMatchObject({ reason: "UNIMPLEMENTED" });
    expect(await errorFrom(collect(client.count({})))).toMatchObject({ reason: "UNIMPLEMENTED" });
    expect(await errorFrom(client.sum(texts("a", "b")))).toMatchObject({ reason: "UNIMPLEMENTED" });
    expect(await errorFrom(collect(client.chat(texts("a"))))).toMatchObject({ reason: "UNIMPLEMENTED" });
  });

  test("a caller that gives up aborts the handler's signal", async () => {
    const signals: AbortSignal[] = [];
    const wait = (context: CallContext) => {
      signals.push(context.signal);
      return new Promise<never>((_, reject) =>
        context.signal.addEventListener("abort", () => reject(context.signal.reason)),
      );
    };
    await using echo = await openEcho({ say: (_, context) => wait(context), sum: (_, context) => wait(context) });
    const client = createClient(EchoService, echo.transport);
    for (const call of [
      (signal: AbortSignal) => client.say({}, { signal }),
      (signal: AbortSignal) => client.sum(texts("a"), { signal }),
    ]) {
      const giveUp = new AbortController();
      const calling = errorFrom(call(giveUp.signal));
      const before = signals.length;
      await until(() => signals.length === before + 1);
      giveUp.abort();
      expect(await calling).toMatchObject({ reason: "CANCELLED" });
      await until(() => signals.at(-1)?.aborted === true);
      expect(signals.at(-1)?.reason).toMatchObject({ reason: "CANCELLED" });
    }
    const early = AbortSignal.abort();
    expect(await errorFrom(client.say({}, { signal: early }))).toMatchObject({ reason: "CANCELLED" });
    expect(await errorFrom(collect(client.count({}, { signal: early })))).toMatchObject({ reason: "CANCELLED" });
  });

  test("ending a stream early ends the handler's iterator", async () => {
    let ended = 0;
    await using echo = await openEcho({
      async *count() {
        try {
          for (let number = 0; ; number += 1) yield { number };
        } finally {
          ended += 1;
        }
      },
      // One that waits for something else than its signal.
      watch: () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise(() => undefined),
          return: async () => {
            ended += 1;
            return { done: true, value: undefined };
          },
        }),
      }),
    });
    const client = createClient(EchoService, echo.transport);
    for await (const { number } of client.count({})) if (number === 5) break;
    await until(() => ended === 1);
    const giveUp = new AbortController();
    const watching = errorFrom(collect(client.watch({}, { signal: giveUp.signal })));
    setTimeout(() => giveUp.abort(), 30);
    expect(await watching).toMatchObject({ reason: "CANCELLED" });
    await until(() => ended === 2);
  });

  test("requests that fail cancel the call and tell why", async () => {
    let signal: AbortSignal | undefined;
    await using echo = await openEcho({
      sum: async (requests, context) => {
        signal = context.signal;
        await collect(requests);
        return {};
      },
    });
    const client = createClient(EchoService, echo.transport);
    async function* broken() {
      yield { text: "a" };
      await until(() => signal !== undefined);
      throw new WeftError("MALFORMED_JSON", "line 2");
    }
    expect(await errorFrom(client.sum(broken()))).toMatchObject({ reason: "MALFORMED_JSON" });
    await until(() => signal?.aborted === true);
  });

  test("a client stream may be answered before it has ended", async () => {
    let returned = false;
    await using echo = await openEcho({
      sum: async (requests) => {
        for await (const { number } of requests) if (number === 3) return { number };
        return {};
      },
    });
    const client = createClient(EchoService, echo.transport);
    async function* endless() {
      try {
        for (let number = 0; ; number = Math.min(number + 1, 1_000)) yield { number };
      } finally {
        returned = true;
      }
    }
    expect(await client.sum(endless())).toMatchObject({ number: 3 });
    await until(() => returned);
  });

  test("the deadline ends a call on both sides", async () => {
    const reasons: unknown[] = [];
    const stall = (context: CallContext) =>
      new Promise<never>((_, reject) =>
        context.signal.addEventListener("abort", () => {
          reasons.push(context.signal.reason);
          reject(context.signal.reason);
        }),
      );
    await using echo = await openEcho({
      say: (_, context) => stall(context),
      brief: (_, context) => stall(context),
      async *count(_, context) {
        yield {};
        await stall(context);
      },
    });
    const client = createClient(EchoService, echo.transport);
    expect(await errorFrom(client.say({}, { timeoutMs: 50 }))).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
    expect(await errorFrom(collect(client.count({}, { timeoutMs: 50 })))).toMatchObject({
      reason: "DEADLINE_EXCEEDED",
    });
    const started = performance.now();
    expect(await errorFrom(client.brief({}, { timeoutMs: 10_000 }))).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
    expect(performance.now() - started).toBeLessThan(1_000);
    await until(() => reasons.length === 3);
    for (const reason of reasons) expect(["DEADLINE_EXCEEDED", "CANCELLED"]).toContain((reason as WeftError).reason);
  });

  test("a fast sender waits for a slow reader, in both directions", async () => {
    const payload = randomBytes(64 * 1024);
    let sent = 0;
    let read = 0;
    let go: (() => void) | undefined;
    const started = new Promise<void>((resolve) => (go = resolve));
    await using echo = await openEcho({
      async *count() {
        for (let n = 0; n < 300; n += 1) {
          sent += 1;
          yield { payload };
        }
      },
      sum: async (requests) => {
        await started;
        for await (const _ of requests) read += 1;
        return { number: read };
      },
    });
    const client = createClient(EchoService, echo.transport);
    const iterator = client.count({})[Symbol.asyncIterator]();
    for (let n = 0; n < 5; n += 1) await iterator.next();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(sent).toBeLessThan(60); // 5 read, 16 in the stream's buffer, the rest in windows: not 1,000
    await iterator.return?.();

    let given = 0;
    async function* fast() {
      for (; given < 300; given += 1) yield { payload };
    }
    const summing = client.sum(fast());
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(given).toBeLessThan(80);
    go?.();
    expect(await summing).toMatchObject({ number: 300 });
  });

  test("a message over the limit is refused by whoever sees it first", async () => {
    await using echo = await openEcho(
      { say: () => ({ payload: new Uint8Array(200_000) }), sum: async (r) => ({ number: (await collect(r)).length }) },
      { maxMessageBytes: 100_000 },
    );
    const client = createClient(EchoService, echo.transport);
    const payload = new Uint8Array(150_000);
    expect(await errorFrom(client.say({ payload: new Uint8Array(5_000_000) }))).toMatchObject({
      reason: "PAYLOAD_TOO_LARGE",
    });
    expect(await errorFrom(client.say({ payload }))).toMatchObject({ reason: "PAYLOAD_TOO_LARGE" });
    expect(await errorFrom(client.say({}))).toMatchObject({ reason: "PAYLOAD_TOO_LARGE" });
    async function* one() {
      yield { payload };
    }
    expect(await errorFrom(client.sum(one()))).toMatchObject({ reason: "PAYLOAD_TOO_LARGE" });
  });
});
