import { WeftError } from "@weft/kit";
import { describe, expect, test, vi } from "vitest";
import { type CallContext, type CallInfo, createClient } from "./index.ts";
import { EchoService } from "./testing/echo.ts";
import { collect, errorFrom, openEcho } from "./testing/harness.ts";

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

  test("a response stream is accepted before its first response, unless it fails before", async () => {
    const quiet = Promise.withResolvers<void>();
    await using echo = await openEcho({
      async *count({ number }, context) {
        if (number === 0) throw new WeftError("CONFLICT", "nothing to count");
        context.accept();
        context.accept();
        await quiet.promise;
        yield { number };
      },
    });
    const client = createClient(EchoService, echo.transport);
    const accepted = Promise.withResolvers<void>();
    const answers = collect(client.count({ number: 1 }, { onAccepted: accepted.resolve }));
    await accepted.promise;
    quiet.resolve();
    expect(await answers).toMatchObject([{ number: 1 }]);
    const onAccepted = vi.fn<() => void>();
    await expect(collect(client.count({ number: 0 }, { onAccepted }))).rejects.toMatchObject({ reason: "CONFLICT" });
    expect(onAccepted).not.toHaveBeenCalled();
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
    await client.say({}, { trace, timeoutMs: 3_000, metadata: { "x-thing": "one" } });
    expect(seen?.trace).toMatchObject({ traceId: trace.traceId, sampled: true, state: "a=b" });
    expect(seen?.trace.spanId).not.toBe(trace.spanId);
    expect(seen?.deadline).toBeGreaterThan(Date.now());
    expect(seen?.deadline).toBeLessThanOrEqual(Date.now() + 3_001);
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
      deadline: Date.now() + 3_000,
      trace: { traceId: "0af7651916cd43dd8448eb211c80319c", spanId: "b7ad6b7169203331", sampled: false },
      authorization: undefined,
    };
    const sent = Date.now();
    await client.say({}, { parent, timeoutMs: 4_000 });
    // The remaining time goes over the wire, so the deadline moves by what the request was on its way.
    expect(seen[0]?.deadline).toBeLessThanOrEqual(parent.deadline + (Date.now() - sent) + 2);
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
      { trace_id: trace.traceId, code: "INTERNAL", err: { message: "the password is hunter2" } },
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
});
