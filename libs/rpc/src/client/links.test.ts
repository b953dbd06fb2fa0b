import { isWeftError } from "@weft/kit";
import { Health } from "@weft/contracts/grpc";
import { describe, expect, test } from "vitest";
import { createClient, openTransport } from "../index.ts";
import type { Handlers } from "../types.ts";
import { EchoService } from "../testing/echo.ts";
import { collect, errorFrom, openEcho, quiet, until } from "../testing/harness.ts";
import { connected, openReplicas } from "../testing/replicas.ts";
import { openTap } from "../testing/tap.ts";

const minuteMs = 60_000;

/** A server behind a tap, and a transport to it whose clock a test can move on. */
async function openTapped(handlers: Handlers<typeof EchoService>) {
  const stack = new AsyncDisposableStack();
  const echo = stack.use(await openEcho(handlers));
  echo.server.health.set("", true);
  const tap = stack.use(await openTap(echo.server.address));
  let aheadMs = 0;
  const transport = stack.use(
    openTransport({ address: tap.address, clock: { monotonic: () => performance.now() + aheadMs } }),
  );
  return {
    tap,
    transport,
    client: createClient(EchoService, transport),
    get connection() {
      return transport.status().endpoints[0]?.connection;
    },
    advance: (ms: number) => void (aheadMs += ms),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

test("no more than a hundred connections stay open for what still runs on them", async () => {
  const count = 130;
  await using replicas = openReplicas({ balancing: { policy: "round-robin", subsetSize: count } });
  const { address } = await replicas.start("0", {
    say: () => ({}),
    watch: quiet,
  });
  for (let id = 1; id < count; id += 1) replicas.add(String(id), address);
  await replicas.client.say({});
  await connected(replicas, count);
  const giveUp = new AbortController();
  let [begun, cut] = [0, 0];
  const streams = Array.from({ length: count }, async () => {
    const responses = replicas.client.watch({}, { signal: giveUp.signal, onAccepted: () => void (begun += 1) });
    const error = await errorFrom(collect(responses));
    if (isWeftError(error, "UNAVAILABLE")) cut += 1;
  });
  await until(() => begun === count);
  replicas.transport.configure({ balancing: { subsetSize: 1 } });
  await until(() => cut >= count - 1 - 100);
  await new Promise((resolve) => setTimeout(resolve, 200));
  giveUp.abort();
  await Promise.all(streams);
  expect(cut).toBe(count - 1 - 100);
});

describe("a connection", () => {
  test("is opened by the first call, closed when there was none for a while, and opened again", async () => {
    await using fixture = await openTapped({ say: () => ({}) });
    const { tap, client } = fixture;
    expect([tap.opened, fixture.connection]).toEqual([0, "idle"]);
    await Promise.all(Array.from({ length: 20 }, () => client.say({})));
    expect([tap.opened, fixture.connection]).toEqual([1, "connected"]);
    // The beat that still sees those calls comes first.
    await new Promise((resolve) => setTimeout(resolve, 300));
    fixture.advance(6 * minuteMs);
    await until(() => fixture.connection === "idle" && tap.open === 0, 10_000);
    await client.say({});
    expect([tap.opened, fixture.connection]).toEqual([2, "connected"]);
  });

  test("that is old is replaced, while what runs on it goes on", async () => {
    let go: (() => void) | undefined;
    await using fixture = await openTapped({
      say: () => ({}),
      async *count() {
        yield { number: 1 };
        await new Promise<void>((resolve) => (go = resolve));
        yield { number: 2 };
      },
    });
    const { tap, client } = fixture;
    await client.say({});
    fixture.advance(34 * minuteMs);
    // Begins before anything can have looked at the clock.
    const counting = client.count({})[Symbol.asyncIterator]();
    await counting.next();
    const reading = counting.next();
    await until(() => tap.opened === 2, 10_000);
    await client.say({});
    expect(tap.open).toBe(2);
    go?.();
    expect((await reading).value).toMatchObject({ number: 2 });
    expect((await counting.next()).done).toBe(true);
    await until(() => tap.open === 1, 10_000);
    await client.say({});
    expect(tap.opened).toBe(2);
  });

  test("that was replaced stays for an hour for what runs on it, and is then given up, which is nobody's failure", async () => {
    await using fixture = await openTapped({ say: () => ({}) });
    const { tap, client, transport } = fixture;
    await client.say({});
    fixture.advance(34 * minuteMs);
    // Watches of a server's health have no deadline.
    const watches = Array.from({ length: 8 }, () => createClient(Health, transport).watch({})[Symbol.asyncIterator]());
    for (const { value } of await Promise.all(watches.map((watch) => watch.next()))) expect(value).toBeDefined();
    let ended = 0;
    const errors = watches.map((watch) => errorFrom(watch.next()).finally(() => (ended += 1)));
    await until(() => tap.opened === 2, 10_000);
    await client.say({});
    await new Promise((resolve) => setTimeout(resolve, 300));
    fixture.advance(58 * minuteMs);
    // Whoever has seen that nobody called for a while has looked at what was replaced, too.
    await until(() => fixture.connection === "idle", 10_000);
    await client.say({});
    expect(ended).toBe(0);
    fixture.advance(3 * minuteMs);
    for (const error of await Promise.all(errors)) expect(error).toMatchObject({ reason: "UNAVAILABLE" });
    expect(transport.status().endpoints).toMatchObject([{ state: "eligible", failureShare: 0, inFlight: 0 }]);
    await client.say({});
  });

  test("that is dead is replaced, and the calls on it move to the new one", async () => {
    await using fixture = await openTapped({ say: ({ text }) => ({ text }) });
    const { tap, client } = fixture;
    await client.say({});
    tap.deaden();
    const stuck = client.say({ text: "stuck" }, { timeoutMs: 60_000 });
    await until(() => fixture.connection === "silent", 10_000);
    expect(await stuck).toMatchObject({ text: "stuck" });
    expect([tap.opened, fixture.connection]).toEqual([2, "connected"]);
    expect(await client.say({ text: "after" })).toMatchObject({ text: "after" });
  }, 30_000);

  test("that is reset is opened again, and the calls on it are made again", async () => {
    await using fixture = await openTapped({ say: () => ({}) });
    const { client } = fixture;
    await client.say({});
    let served = 0;
    let isOver = false;
    const load = (async () => {
      for (; !isOver; served += 1) await client.say({});
    })();
    for (let round = 2; round < 6; round += 1) {
      const before = served;
      fixture.tap.reset();
      // No call meets more than one of them.
      await until(() => fixture.tap.opened === round && served > before + 2);
    }
    isOver = true;
    await load;
  });
});
