import { performance } from "node:perf_hooks";
import { expect, test } from "vitest";
import { createClient, type ServerOptions } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { compute, type EchoFixture, openEcho, until } from "../testing/harness.ts";

const loops = (): number => performance.nodeTiming.uvMetricsInfo.loopCount;

/** A server whose calls compute for 5 ms, and which knows that. */
async function openBusy(onBegun: (text: string) => void, options: Partial<ServerOptions> = {}): Promise<EchoFixture> {
  let isKnown = false;
  const echo = await openEcho(
    {
      say: ({ text }) => {
        compute(5);
        if (isKnown) onBegun(text);
        return {};
      },
    },
    { overload: { turns: { maxTurnMs: 60_000 } }, ...options },
  );
  const client = createClient(EchoService, echo.transport);
  for (let at = 0; at < 60; at += 1) await client.say({});
  isKnown = true;
  return echo;
}

test("calls that come together are begun over many rounds of the event loop, critical ones first", async () => {
  const begun: string[] = [];
  const rounds: number[] = [];
  await using echo = await openBusy((text) => {
    begun.push(text);
    rounds.push(loops());
  });
  const client = createClient(EchoService, echo.transport);
  const order = ["batch", "interactive", "critical"] as const;
  await Promise.all(
    order.flatMap((priority) =>
      Array.from({ length: 20 }, () => client.say({ text: priority.slice(0, 8) }, { priority })),
    ),
  );
  const last = (text: string): number => begun.lastIndexOf(text);
  expect([begun.length, begun[0]]).toEqual([60, "batch"]);
  expect(last("critical")).toBeLessThan(last("batch"));
  expect(last("batch")).toBeLessThan(last("interact"));
  expect(new Set(rounds).size).toBeGreaterThanOrEqual(10);
}, 60_000);

test("what is given up while it waits for its turn is not begun", async () => {
  const gone = new AbortController();
  let begun = 0;
  await using echo = await openBusy(() => {
    begun += 1;
    if (begun === 5) gone.abort();
  });
  const client = createClient(EchoService, echo.transport);
  const calls = Array.from({ length: 100 }, () => client.say({}, { signal: gone.signal }).catch(() => undefined));
  await Promise.all(calls);
  await until(() => echo.server.stats.inFlight === 0);
  expect(begun).toBeLessThan(50);
}, 60_000);

/** A hundred calls of which the first has begun. */
async function openFull(options: Partial<ServerOptions> = {}) {
  let begun = 0;
  const echo = await openBusy(() => (begun += 1), options);
  const client = createClient(EchoService, echo.transport);
  const calls = Array.from({ length: 100 }, () =>
    client.say({}).then(
      () => "OK",
      () => "failed",
    ),
  );
  await until(() => begun > 0);
  return { echo, calls, begun: () => begun };
}

test("calls that wait for their turn are in flight, and answered while the server drains", async () => {
  const { echo, calls, begun } = await openFull();
  await using _ = echo;
  const drained = echo.server.drain(new AbortController().signal);
  expect(begun()).toBeLessThan(100);
  expect(new Set(await Promise.all(calls))).toEqual(new Set(["OK"]));
  await drained;
}, 60_000);

test("when its patience is over, those that wait are told, and none of them begins", async () => {
  const codes: string[] = [];
  const { echo, calls, begun } = await openFull({ onCall: ({ code }) => codes.push(code) });
  await using _ = echo;
  codes.length = 0;
  const atOnce = begun();
  await echo.server.drain(AbortSignal.abort());
  expect(begun()).toBe(atOnce);
  expect(codes.filter((code) => code === "UNAVAILABLE").length).toBeGreaterThanOrEqual(100 - atOnce);
  expect(await Promise.all(calls)).toContain("failed");
}, 60_000);
