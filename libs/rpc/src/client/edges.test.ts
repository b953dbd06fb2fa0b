import { WeftError } from "@weft/kit";
import { describe, expect, test } from "vitest";
import { createClient, openTransport } from "../index.ts";
import { EchoService } from "../testing/echo.ts";
import { aborted, errorFrom, openEcho, until } from "../testing/harness.ts";
import { startProcess } from "../testing/load.ts";
import { connected, openReplicas, type Replicas } from "../testing/replicas.ts";

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

describe("calls that wait for the one instance of a method whose breaker is open", () => {
  /** Twenty of them, and what comes of each: the instance is gone, and would be looked at again when it is there. */
  async function openWaiting(patienceMs: number) {
    const replicas = openReplicas({ retry: { maxTries: 1 }, breaker: { openMs: 500 } });
    await replicas.start("first", {
      missing: () => {
        throw new WeftError("UNAVAILABLE", "no");
      },
    });
    for (let n = 0; n < 10; n += 1) await errorFrom(replicas.client.missing({}));
    expect(replicas.transport.status().breakers).toMatchObject([{ state: "open" }]);
    replicas.remove("first");
    await pause(600);
    const answers = Array.from({ length: 20 }, () =>
      replicas.client.missing({}, { patienceMs, timeoutMs: 30_000 }).then(
        ({ text }) => text,
        (error: WeftError) => error.reason,
      ),
    );
    await until(() => replicas.transport.status().inside.calls === 20);
    // From now on it is not a matter of time whether there is room for another probe.
    replicas.transport.configure({ retry: { maxTries: 1 }, breaker: { openMs: 60_000 } });
    return { replicas, answers };
  }

  /** Starts an instance that keeps three of them until `open` is called, and then answers so. */
  async function startGated(replicas: Replicas, answer = () => ({ text: "second" })) {
    const opened = Promise.withResolvers<void>();
    const calls = { begun: 0 };
    await replicas.start("second", {
      missing: async () => {
        calls.begun += 1;
        await opened.promise;
        return answer();
      },
    });
    await until(() => calls.begun === 3);
    return { calls, open: () => opened.resolve() };
  }

  test("let three go first, and follow when those went well", async () => {
    const { replicas, answers } = await openWaiting(20_000);
    await using _ = replicas;
    const { calls, open } = await startGated(replicas);
    // Who has not waited is told at once.
    expect(await errorFrom(replicas.client.missing({}))).toMatchObject({ reason: "BREAKER_OPEN" });
    expect([calls.begun, replicas.transport.status().inside.calls]).toEqual([3, 20]);
    open();
    expect(await Promise.all(answers)).toEqual(Array(20).fill("second"));
    expect(replicas.transport.status()).toMatchObject({ breakers: [{ state: "closed" }], inside: { calls: 0 } });
  });

  test("are refused when those failed", async () => {
    const { replicas, answers } = await openWaiting(20_000);
    await using _ = replicas;
    const { calls, open } = await startGated(replicas, () => {
      throw new WeftError("UNAVAILABLE", "still not");
    });
    expect(replicas.transport.status().inside.calls).toBe(20);
    open();
    const told = await Promise.all(answers);
    expect(told.filter((reason) => reason === "UNAVAILABLE")).toHaveLength(3);
    expect(told.filter((reason) => reason === "BREAKER_OPEN")).toHaveLength(17);
    expect(calls.begun).toBe(3);
  });

  test("wait no longer than their patience lasts", async () => {
    const { replicas, answers } = await openWaiting(4_000);
    await using _ = replicas;
    const { open } = await startGated(replicas);
    expect(replicas.transport.status().inside.calls).toBe(20);
    await until(() => replicas.transport.status().inside.calls === 3);
    open();
    const told = await Promise.all(answers);
    expect(told.filter((text) => text === "second")).toHaveLength(3);
    expect(told.filter((reason) => reason === "BREAKER_OPEN")).toHaveLength(17);
  });

  test("are told when the transport is closed", async () => {
    const { replicas, answers } = await openWaiting(20_000);
    const { open } = await startGated(replicas);
    await replicas.transport[Symbol.asyncDispose]();
    open();
    const told = await Promise.all(answers);
    expect(told.filter((reason) => reason === "CANCELLED")).toHaveLength(17);
    await replicas[Symbol.asyncDispose]();
  });
});

test("a hedged call that is stuck on two instances that freeze goes to a third", async () => {
  const say = "weft.test.v1.EchoService/Say";
  await using replicas = openReplicas({
    balancing: { policy: "round-robin", warmUp: { windowMs: 0 } },
    hedging: { methods: [say], budgetShare: 1, maxPerSecond: 1_000 },
  });
  const frozen = await Promise.all([startProcess(), startProcess()]);
  try {
    for (const [at, { address }] of frozen.entries()) replicas.add(`frozen-${at}`, address);
    for (let n = 0; n < 100; n += 1) await replicas.client.say({});
    await connected(replicas, 2);
    await pause(300);
    for (const { process } of frozen) process.kill("SIGSTOP");
    const call = replicas.client.say({}, { timeoutMs: 60_000 });
    const inFlight = () => replicas.transport.status().endpoints.map((endpoint) => endpoint.inFlight);
    await until(() => inFlight().join() === "1,1");
    await until(() => replicas.transport.status().endpoints.every(({ state }) => state === "suspect"));
    await replicas.start("third", { say: () => ({ text: "third" }) });
    expect(await call).toMatchObject({ text: "third" });
    expect(inFlight()).toEqual([0, 0, 0]);
    expect(replicas.transport.status().breakers).toEqual([{ method: say, state: "closed" }]);
  } finally {
    for (const { process } of frozen) process.kill("SIGKILL");
  }
}, 60_000);
