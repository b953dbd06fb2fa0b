import { Metadata, status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { createClient, openTransport } from "../index.ts";
import { openBare, refusalOf } from "../testing/bare.ts";
import { EchoService } from "../testing/echo.ts";
import { collect, errorFrom, until } from "../testing/harness.ts";
import { connected, openReplicas } from "../testing/replicas.ts";
import { Requests } from "./requests.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("a second try has what the first one has taken, and what it still waits for", async () => {
  const later = Promise.withResolvers<void>();
  async function* source() {
    yield Buffer.from("a");
    await later.promise;
    yield Buffer.from("b");
    yield Buffer.from("c");
  }
  const requests = new Requests(source());
  const [first, second] = [requests.reader(), requests.reader()];
  expect(await first()).toMatchObject({ value: Buffer.from("a") });
  const waiting = first();
  expect(await second()).toMatchObject({ value: Buffer.from("a") });
  const next = second();
  later.resolve();
  expect(await waiting).toMatchObject({ value: Buffer.from("b") });
  expect(await next).toMatchObject({ value: Buffer.from("b") });
  requests.forget();
  expect(requests.areWhole).toBe(false);
  expect(await second()).toMatchObject({ value: Buffer.from("c") });
  expect((await second()).done).toBe(true);
});

describe("requests that nobody saw", () => {
  async function* upTo(last: number, pauseMs = 0) {
    for (let number = 1; number <= last; number += 1) {
      yield { number };
      if (pauseMs > 0) await pause(pauseMs);
    }
  }

  test("are sent again elsewhere, all of them and once", async () => {
    // One refuses at once, the other when it has taken some.
    await using early = await openBare("Sum", (call) => call.emit("error", refusalOf(status.UNAVAILABLE)));
    await using late = await openBare("Sum", (call) => {
      let taken = 0;
      call.on("data", () => (taken += 1) === 3 && call.emit("error", refusalOf(status.UNAVAILABLE)));
    });
    await using replicas = openReplicas({ balancing: { policy: "round-robin" } });
    await replicas.start("well", {
      say: () => ({}),
      sum: async (requests) => ({ number: (await collect(requests)).reduce((sum, { number }) => sum + number, 0) }),
    });
    await replicas.client.say({});
    replicas.add("early", early.address);
    replicas.add("late", late.address);
    await connected(replicas, 3);
    const sums = Array.from({ length: 30 }, (_, n) => replicas.client.sum(upTo(10, n % 3)));
    for (const sum of await Promise.all(sums)) expect(sum).toMatchObject({ number: 55 });
    expect(new Set(replicas.decisions.map(({ kind, reason }) => `${kind} ${reason}`))).toContain("retried unseen");
  });

  test("are not sent again when they are too many to be kept", async () => {
    let calls = 0;
    await using server = await openBare("Sum", (call) => {
      calls += 1;
      call.on("data", () => undefined).on("end", () => call.emit("error", refusalOf(status.UNAVAILABLE)));
    });
    await using transport = openTransport({ address: server.address });
    const client = createClient(EchoService, transport);
    async function* large(count: number) {
      for (let n = 0; n < count; n += 1) yield { payload: new Uint8Array(100_000) };
    }
    expect(await errorFrom(client.sum(large(3)))).toMatchObject({ reason: "UNAVAILABLE" });
    expect(calls).toBe(1);
    expect(await errorFrom(client.sum(large(2)))).toMatchObject({ reason: "UNAVAILABLE" });
    expect(calls).toBeGreaterThan(2);
  });

  test("are not sent again once the call has come about", async () => {
    let calls = 0;
    await using server = await openBare("Chat", (call) => {
      calls += 1;
      call.sendMetadata(new Metadata());
      call.on("data", () => call.emit("error", refusalOf(status.UNAVAILABLE)));
    });
    await using transport = openTransport({ address: server.address });
    const client = createClient(EchoService, transport);
    expect(await errorFrom(collect(client.chat(upTo(3, 20))))).toMatchObject({ reason: "UNAVAILABLE" });
    expect(calls).toBe(1);
  });
});

test("whoever gives requests is told at once that no more are wanted, whatever he waits for", async () => {
  await using replicas = openReplicas();
  await replicas.start("a", {
    sum: async (requests) => {
      for await (const { number } of requests) return { number };
      return {};
    },
  });
  let returned = false;
  const given = [{ done: false, value: { number: 7 } } as const];
  const requests = {
    [Symbol.asyncIterator]: () => ({
      next: () => Promise.resolve(given.shift() ?? new Promise<never>(() => undefined)),
      return: () => {
        returned = true;
        return Promise.resolve({ done: true as const, value: undefined });
      },
    }),
  };
  expect(await replicas.client.sum(requests)).toMatchObject({ number: 7 });
  await until(() => returned);
});
