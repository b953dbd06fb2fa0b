import { WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { createClient, openTransport } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { aborted, errorFrom, openEcho, until } from "../testing/harness.ts";
import { startProcess } from "../testing/load.ts";
import { openReplicas } from "../testing/replicas.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** As long as a call has at all, in milliseconds: a busy machine may take seconds to start another instance. */
const patienceMs = 5_000;

test("the only instance is killed under calls: those that may be made again wait for the one that comes after it", async () => {
  await using replicas = openReplicas();
  const first = await startProcess();
  try {
    replicas.add("first", first.address);
    await replicas.client.say({});
    // More at a time than were ever answered: all tries of the last while fail as one.
    const calls = Array.from({ length: 10 }, () => replicas.client.say({ text: "wait" }, { patienceMs }));
    const answers = Promise.allSettled(calls);
    await until(() => replicas.transport.status().endpoints[0]?.inFlight === 10);
    first.process.kill("SIGSTOP");
    await pause(50);
    first.process.kill("SIGKILL");
    await pause(300);
    const later = Promise.allSettled(Array.from({ length: 20 }, () => replicas.client.say({}, { patienceMs })));
    await pause(200);
    replicas.remove("first");
    await replicas.start("second", { say: () => ({ text: "second" }) });
    const failed = [...(await answers), ...(await later)].filter(({ status }) => status === "rejected");
    expect(failed.map((one) => String(one.status === "rejected" && one.reason))).toEqual([]);
  } finally {
    first.process.kill("SIGKILL");
  }
}, 60_000);

test("an answer that no retry would change ends a hedged call, however long the other try takes", async () => {
  await using replicas = openReplicas({
    hedging: { methods: ["weft.test.v1.EchoService/Say"], budgetShare: 1, maxPerSecond: 1_000 },
  });
  let stuck: string | undefined;
  let ended = false;
  for (const id of ["a", "b"]) {
    await replicas.start(id, {
      say: async ({ text }, { signal }) => {
        if (text !== "stick") return { text: id };
        if (stuck !== undefined) throw new WeftError("NOT_FOUND", "there is none");
        stuck = id;
        await aborted(signal);
        ended = true;
        throw signal.reason;
      },
    });
  }
  for (let n = 0; n < 100; n += 1) await replicas.client.say({});
  await pause(300);
  const error = await errorFrom(replicas.client.say({ text: "stick" }, { timeoutMs: 10_000 }));
  expect(error).toMatchObject({ reason: "NOT_FOUND" });
  await until(() => ended);
  await until(() => replicas.transport.status().endpoints.every(({ inFlight }) => inFlight === 0));
}, 60_000);

test("a stream whose time is over before it begins is not sent", async () => {
  let seen = 0;
  await using echo = await openEcho({
    say: () => ({}),
    async *count() {
      seen += 1;
      yield {};
    },
  });
  const client = createClient(EchoService, echo.transport);
  await client.say({});
  for (let n = 0; n < 20; n += 1) {
    const responses = client.count({}, { timeoutMs: 0 })[Symbol.asyncIterator]();
    expect(await errorFrom(responses.next())).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
  }
  await client.say({});
  expect(seen).toBe(0);
});

test("a stream that is given up between two tries fails as cancelled", async () => {
  await using replicas = openReplicas();
  await replicas.start("a", {
    async *count() {
      throw new WeftError("UNAVAILABLE", "later", { retryAfterMs: 2_500 });
    },
  });
  const giveUp = new AbortController();
  const responses = replicas.client.count({}, { signal: giveUp.signal })[Symbol.asyncIterator]();
  const error = errorFrom(responses.next());
  await until(() => replicas.decisions.some(({ kind }) => kind === "retried"));
  giveUp.abort();
  expect(await error).toMatchObject({ reason: "CANCELLED" });
});

test("a stream that is given up, or whose transport is closed, while it is placed ends at once", async () => {
  await using echo = await openEcho({
    say: () => ({}),
    async *watch(_, { signal }) {
      await aborted(signal);
      yield {};
    },
  });
  for (let turns = 0; turns < 40; turns += 1) {
    for (const how of ["abort", "close"] as const) {
      await using transport = openTransport({ address: echo.server.address });
      const client = createClient(EchoService, transport);
      await client.say({});
      const giveUp = new AbortController();
      const responses = client.watch({}, { signal: giveUp.signal })[Symbol.asyncIterator]();
      const error = errorFrom(responses.next());
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      const closing = how === "close" ? transport[Symbol.asyncDispose]() : undefined;
      if (how === "close") setTimeout(() => giveUp.abort(), 5);
      else giveUp.abort();
      const outcome = await Promise.race([error, pause(3_000).then(() => "still runs")]);
      expect(outcome, `${how} after ${turns} turns`).toMatchObject({ reason: "CANCELLED" });
      await closing;
      expect(transport.status().inside.streams).toBe(0);
      expect(transport.status().endpoints.map(({ inFlight }) => inFlight)).toEqual([0]);
    }
  }
}, 60_000);
