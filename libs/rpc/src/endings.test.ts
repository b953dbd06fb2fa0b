import { randomBytes } from "node:crypto";
import { WeftError } from "@weft/kit";
import { Stopwatch } from "@weft/kit/testing";
import { describe, expect, test } from "vitest";
import { type CallContext, createClient } from "./index.ts";
import { EchoService } from "./testing/echo.ts";
import { collect, errorFrom, openEcho, until } from "./testing/harness.ts";

async function* texts(...all: string[]) {
  for (const text of all) yield { text };
}

describe("how calls end", () => {
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
    using passed = new Stopwatch();
    expect(await errorFrom(client.brief({}, { timeoutMs: 10_000 }))).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
    expect(passed.ms).toBeLessThan(1_000);
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
