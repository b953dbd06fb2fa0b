import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect } from "node:http2";
import { join } from "node:path";
import type { ChannelOptions } from "@grpc/grpc-js";
import { Endpoint } from "@weft/resilience";
import { describe, expect, test } from "vitest";
import { channelOptionsOf, Link } from "./client/link.ts";
import { createClient, openTransport } from "./index.ts";
import { allowanceOf, channelOptionsOf as serverOptionsOf } from "./server/connections.ts";
import { EchoService } from "./testing/echo.ts";
import { aborted, collect, errorFrom, iterate, openEcho, until } from "./testing/harness.ts";
import { openTap, type Tap } from "./testing/tap.ts";
import { formatResets, parseResets } from "./wire/resets.ts";

/** Longer than any silence of a machine that is busy. */
const answerMs = 3_000;

/** Whether the first connection through `tap` lives while its ends answer each other, and is given up when they don't. */
async function expectCut(tap: Tap, isCut: () => boolean): Promise<void> {
  await until(() => tap.open === 1);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect([tap.opened, tap.open]).toEqual([1, 1]);
  tap.deaden();
  await until(isCut, 2 * answerMs + 10_000);
}

describe("a connection on which nothing happens", () => {
  test("is cut by its server when the caller does not answer", async () => {
    const connections = { keepaliveMs: 100, keepaliveTimeoutMs: answerMs };
    await using echo = await openEcho({}, { connections });
    await using tap = await openTap(echo.server.address);
    const caller = connect(`http://${tap.address}`).on("error", () => undefined);
    try {
      await expectCut(tap, () => tap.open === 0);
    } finally {
      caller.destroy();
    }
  }, 30_000);

  test("is opened again by its caller when the server does not answer", async () => {
    const options = channelOptionsOf("echo", 1_000);
    expect(options).toMatchObject({ "grpc.keepalive_time_ms": 20_000, "grpc.keepalive_timeout_ms": 5_000 });
    const channelOptions = {
      ...options,
      "grpc.keepalive_time_ms": Number(options["grpc.keepalive_time_ms"]) / 200,
      "grpc.keepalive_timeout_ms": answerMs,
    };
    await using echo = await openEcho({});
    await using tap = await openTap(echo.server.address);
    const link = new Link(new Endpoint({ id: "e", address: tap.address, weight: 1 }, 0), {
      channelOptions,
      isOnlyChoice: true,
      now: () => performance.now(),
      random: Math.random,
      onChange: () => undefined,
    });
    try {
      await expectCut(tap, () => tap.opened === 2);
    } finally {
      link.retire();
    }
  }, 30_000);
});

test("a connection takes so many calls at a time, and more of them wait at their caller", async () => {
  // One is the watch of the server's health.
  const connections = { maxStreams: 3 };
  const waiting: (() => void)[] = [];
  let begun = 0;
  await using echo = await openEcho(
    {
      say: async ({ text }) => {
        if (text === "now") return {};
        begun += 1;
        await new Promise<void>((resolve) => waiting.push(resolve));
        return {};
      },
    },
    { connections },
  );
  const client = createClient(EchoService, echo.transport);
  // The caller knows by then what the server takes.
  await client.say({ text: "now" });
  const calls = Array.from({ length: 5 }, () => client.say({}, { timeoutMs: 30_000 }));
  for (let ended = 0; ended < calls.length; ended += 1) {
    const most = Math.min(ended + 2, calls.length);
    await until(() => begun === most);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(begun).toBe(most);
    waiting.shift()?.();
  }
  await Promise.all(calls);
});

test("what runs on a connection that has reached its age goes on for a time, and no longer", async () => {
  const connections = { maxAgeMs: 200, ageGraceMs: 1_000 };
  await using echo = await openEcho(
    {
      async *watch(_, { signal }) {
        yield {};
        await aborted(signal);
      },
    },
    { connections },
  );
  const watching = iterate(createClient(EchoService, echo.transport).watch({}));
  const fromMs = performance.now();
  await watching.next();
  expect(await errorFrom(watching.next())).toMatchObject({ code: "UNAVAILABLE" });
  expect(performance.now() - fromMs).toBeGreaterThan(1_100);
});

test("connections that were opened at once are replaced at different times, up to a tenth after their age", async () => {
  await using echo = await openEcho({ say: () => ({}) });
  await using stack = new AsyncDisposableStack();
  let aheadMs = 0;
  const clock = { monotonic: (): number => performance.now() + aheadMs };
  const callers = await Promise.all(
    [0, 0.999].map(async (chance) => {
      const tap = stack.use(await openTap(echo.server.address));
      const transport = stack.use(openTransport({ address: tap.address, clock, random: () => chance }));
      return { tap, client: createClient(EchoService, transport) };
    }),
  );
  const opened = (): number[] => callers.map(({ tap }) => tap.opened);
  /** A call each: a connection without any is closed. */
  const pass = async (minutes: number): Promise<void> => {
    aheadMs += minutes * 60_000;
    await Promise.all(callers.map(({ client }) => client.say({})));
  };
  await pass(0);
  await pass(29);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(opened()).toEqual([1, 1]);
  await pass(2);
  await until(() => callers[0]?.tap.opened === 2);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(opened()).toEqual([2, 1]);
  await pass(3);
  await until(() => callers[1]?.tap.opened === 2);
});

describe("how many calls of a connection may be cancelled", () => {
  test("is what its server says with the first word of a health watch", async () => {
    await using echo = await openEcho({}, { connections: { resetBurst: 123, resetsPerSecond: 7 } });
    const session = connect(`http://${echo.server.address}`);
    try {
      const headers = {
        ":method": "POST",
        ":path": "/grpc.health.v1.Health/Watch",
        "content-type": "application/grpc",
      };
      const stream = session.request({ ...headers, te: "trailers" });
      const response = once(stream, "response", { signal: AbortSignal.timeout(10_000) });
      stream.end(Buffer.alloc(5));
      expect((await response)[0]).toMatchObject({ "weft-resets": "123/7" });
    } finally {
      session.destroy();
    }
  });

  test("is what its caller goes by", async () => {
    const count = 900;
    let [begun, ended] = [0, 0];
    await using echo = await openEcho({
      say: () => ({}),
      async *watch(_, context) {
        context.accept();
        begun += 1;
        await aborted(context.signal);
        ended += 1;
      },
    });
    const client = createClient(EchoService, echo.transport);
    await client.say({});
    const giveUp = new AbortController();
    const calls = Array.from({ length: count }, () =>
      errorFrom(collect(client.watch({}, { signal: giveUp.signal, timeoutMs: 60_000 }))),
    );
    await until(() => begun === count);
    giveUp.abort();
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ code: "CANCELLED" });
    // Of a server that does not say they would be 250, and then 20 a second.
    await until(() => ended === count, 15_000);
  }, 60_000);

  test.each([
    ["2000/20", { burst: 2_000, perSecond: 20 }],
    ["", undefined],
    ["2000", undefined],
    ["-1/20", undefined],
    ["2000/20/2", undefined],
    ["9999999999/1", undefined],
  ])("%j is read as %j", (text, allowance) => {
    expect(parseResets(text)).toEqual(allowance);
  });
});

test("the guide to calls says what both ends do with their connections", () => {
  const guide = readFileSync(join(import.meta.dirname, "../../../docs/guides/calls.md"), "utf8");
  const row = (what: string): readonly string[] =>
    guide
      .split("\n")
      .find((line) => line.startsWith(`| ${what} `))
      ?.split("|") ?? [];
  const [, , atCaller, atServer] = row("silence");
  const seconds = (options: ChannelOptions): string[] =>
    ["grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms"].map((name) => `${Number(options[name]) / 1000} s`);
  const server = serverOptionsOf({});
  expect(atCaller?.match(/\d+ s/g)).toEqual(seconds(channelOptionsOf("echo", 1_000)));
  expect(atServer?.match(/\d+ s/g)).toEqual(seconds(server));
  const minutes = [server["grpc.max_connection_age_ms"], server["grpc.max_connection_age_grace_ms"]];
  expect(row("age")[3]?.match(/\d+ min/g)).toEqual(minutes.map((ms) => `${Number(ms) / 60_000} min`));
  expect(row("calls on one")[3]).toContain(server["grpc.max_concurrent_streams"]?.toLocaleString("en"));
  const { burst, perSecond } = allowanceOf({});
  expect(row("cancelled calls")[2]).toContain(`\`${formatResets({ burst, perSecond })}\``);
  expect(row("cancelled calls")[3]).toContain(
    `${burst.toLocaleString("en")}, and ${perSecond.toLocaleString("en")} a second`,
  );
});
