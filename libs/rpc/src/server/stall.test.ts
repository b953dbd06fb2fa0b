import { describe, expect, test } from "vitest";
import { createClient } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { compute, type EchoFixture, openEcho, until } from "../testing/harness.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Callers who call without a pause while the event loop stalls now and then; how many calls were answered. */
async function ordeal(echo: EchoFixture, callers: number): Promise<number> {
  const client = createClient(EchoService, echo.transport);
  let answered = 0;
  let isOver = false;
  const all = Array.from({ length: callers }, async () => {
    while (!isOver) {
      await client.say({}, { timeoutMs: 60_000 });
      answered += 1;
    }
  });
  for (let at = 0; at < 3; at += 1) {
    await sleep(500);
    compute(1_000);
    await sleep(50);
    compute(300);
  }
  await sleep(500);
  isOver = true;
  await Promise.all(all);
  return answered;
}

describe("a small installation on a machine that stalls", () => {
  test("refuses none of its few callers, however busy they keep it", async () => {
    await using echo = await openEcho({
      say: () => {
        compute(5);
        return {};
      },
    });
    expect(await ordeal(echo, 20)).toBeGreaterThan(40);
    expect(echo.server.stats.shed).toEqual({ critical: 0, interactive: 0, batch: 0 });
  }, 60_000);

  test("fails no call of thirty callers whose calls wait for somebody", async () => {
    await using echo = await openEcho({ say: () => sleep(20).then(() => ({})) });
    expect(await ordeal(echo, 30)).toBeGreaterThan(60);
    expect(echo.server.stats.shed).toEqual({ critical: 0, interactive: 0, batch: 0 });
  }, 60_000);
});

test("what is in flight is counted down however a call ends", async () => {
  let hanging = 0;
  await using echo = await openEcho({
    say: ({ text }) => {
      if (text === "hang") {
        hanging += 1;
        return new Promise<object>(() => undefined);
      }
      if (text === "throw") throw new Error("broken");
      return text === "reject" ? Promise.reject(new Error("broken")) : {};
    },
    brief: () => new Promise<object>(() => undefined),
  });
  const client = createClient(EchoService, echo.transport);
  const gone = new AbortController();
  const ends = Promise.allSettled([
    client.say({ text: "throw" }),
    client.say({ text: "reject" }),
    client.say({ text: "longer than is allowed" }),
    client.missing({}),
    client.brief({}, { timeoutMs: 200 }),
    client.say({ text: "hang" }, { signal: gone.signal }),
  ]);
  await until(() => hanging === 1);
  expect(echo.server.stats.inFlight).toBeGreaterThan(0);
  setTimeout(() => gone.abort(), 100);
  expect((await ends).map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => "rejected"));
  await until(() => echo.server.stats.inFlight === 0);
  const cut = client.say({ text: "hang" }).catch(() => undefined);
  await until(() => hanging === 2);
  expect(echo.server.stats.inFlight).toBe(1);
  await echo.server.drain(AbortSignal.timeout(100));
  await cut;
  await until(() => echo.server.stats.inFlight === 0);
});
