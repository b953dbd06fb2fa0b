import { status } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import type { Decision } from "@weft/resilience";
import { describe, expect, test } from "vitest";
import { createClient, implement, openServer, openTransport } from "../index.ts";
import { openBare, refusalOf } from "../testing/bare.ts";
import { EchoService, IdentifiedEchoService } from "../testing/echo.ts";
import { aborted, collect, errorFrom, iterate, quiet, until } from "../testing/harness.ts";
import { connected, held, openReplicas } from "../testing/replicas.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("what a stream holds", () => {
  test("is given back when it ends, whether anybody reads its end or not", async () => {
    await using replicas = openReplicas();
    await replicas.start("a", {
      async *watch({ number }, context) {
        yield { number };
        if (number === 1) await aborted(context.signal);
        if (number === 2) throw new WeftError("NOT_FOUND", "no more");
      },
    });
    const client = replicas.client;
    const giveUp = new AbortController();
    const streams = [
      iterate(client.watch({ number: 1 }, { timeoutMs: 300 })),
      iterate(client.watch({ number: 1 }, { signal: giveUp.signal })),
      iterate(client.watch({ number: 2 })),
    ];
    for (const stream of streams) expect((await stream.next()).done).toBe(false);
    giveUp.abort();
    await until(() => held(replicas).every((count) => count === 0));
    // And the reason is there for whoever asks later, once.
    const reasons = await Promise.all(streams.map((stream) => errorFrom(stream.next())));
    expect(reasons.map((error) => WeftError.from(error).reason)).toEqual([
      "DEADLINE_EXCEEDED",
      "CANCELLED",
      "NOT_FOUND",
    ]);
    for (const stream of streams) expect(await stream.next()).toEqual({ done: true, value: undefined });
  });

  test("is given back at once when it is returned, also while somebody waits for its next response", async () => {
    let stopped = 0;
    await using replicas = openReplicas();
    await replicas.start("a", {
      async *watch(_, context) {
        context.accept();
        await aborted(context.signal);
        stopped += 1;
      },
    });
    const accepted = Promise.withResolvers<void>();
    const watching = iterate(replicas.client.watch({}, { onAccepted: accepted.resolve }));
    const next = watching.next();
    await accepted.promise;
    const done = { done: true, value: undefined };
    expect(await watching.return?.()).toEqual(done);
    expect(await next).toEqual(done);
    expect(held(replicas)).toEqual([0, 0]);
    expect(await watching.next()).toEqual(done);
    await until(() => stopped === 1);
  });

  test("is nothing before its first response is asked for, and after it was returned", async () => {
    let begun = 0;
    await using replicas = openReplicas();
    await replicas.start("a", {
      say: () => ({}),
      async *count() {
        begun += 1;
        yield {};
      },
    });
    await replicas.client.say({});
    const unread = iterate(replicas.client.count({}));
    await unread.return?.();
    expect((await unread.next()).done).toBe(true);
    // Returned while it begins.
    const early = iterate(replicas.client.count({}));
    const next = early.next();
    await early.return?.();
    expect((await next).done).toBe(true);
    iterate(replicas.client.count({}));
    await pause(100);
    expect([begun, ...held(replicas)]).toEqual([0, 0, 0]);
  });

  test("is given back when its reader throws, and responses that are asked for together come in order", async () => {
    let ended = 0;
    await using replicas = openReplicas();
    await replicas.start("a", {
      async *count() {
        try {
          for (let number = 0; ; number += 1) yield { number };
        } finally {
          ended += 1;
        }
      },
    });
    const reading = (async () => {
      for await (const { number } of replicas.client.count({})) if (number === 3) throw new Error("enough");
    })();
    expect(await errorFrom(reading)).toMatchObject({ message: "enough" });
    expect(held(replicas)).toEqual([0, 0]);
    const counting = iterate(replicas.client.count({}));
    const four = await Promise.all([1, 2, 3, 4].map(() => counting.next()));
    expect(four.map(({ value }) => value?.number)).toEqual([0, 1, 2, 3]);
    await counting.return?.();
    await until(() => ended === 2);
  });
});

describe("what a stream says of its target", () => {
  test("one that was accepted and lives to its deadline is no failure", async () => {
    await using replicas = openReplicas();
    for (const id of ["a", "b"]) await replicas.start(id, { count: quiet });
    // More than half of what the contract grants: who has not answered by then has failed.
    const streams = Array.from({ length: 12 }, () => collect(replicas.client.count({}, { timeoutMs: 2_600 })));
    for (const error of await Promise.all(streams.map(errorFrom))) {
      expect(error).toMatchObject({ reason: "DEADLINE_EXCEEDED" });
    }
    const { endpoints, breakers } = replicas.transport.status();
    expect(endpoints.map(({ failureShare }) => failureShare)).toEqual([0, 0]);
    expect(breakers).toMatchObject([{ state: "closed" }]);
  });

  test("those that come about count against those that were turned down", async () => {
    let isBusy = false;
    await using server = await openBare("Count", (call) => {
      if (isBusy) call.emit("error", refusalOf(status.RESOURCE_EXHAUSTED));
      else call.end();
    });
    const decisions: Decision[] = [];
    const onDecision = (decision: Decision): void => void decisions.push(decision);
    await using transport = openTransport({ address: server.address, onDecision });
    const client = createClient(EchoService, transport);
    for (let n = 0; n < 40; n += 1) await collect(client.count({}));
    isBusy = true;
    const refused = Array.from({ length: 5 }, () => errorFrom(collect(client.count({}))));
    for (const error of await Promise.all(refused)) expect(error).toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
    // As long as most come about, the target as a whole is not too busy for another try.
    expect(new Set(decisions.map(({ reason }) => reason))).toEqual(new Set(["refused"]));
    expect(decisions).toHaveLength(10);
  });

  test("a request that carries an id gets one, the same in each try", async () => {
    const seen: string[] = [];
    await using server = await openServer({
      host: "127.0.0.1",
      port: 0,
      services: [
        implement(IdentifiedEchoService, {
          async *watch({ requestId }) {
            seen.push(requestId);
            if (seen.length < 3) throw new WeftError("UNAVAILABLE", "not yet");
            yield {};
          },
        }),
      ],
    });
    await using transport = openTransport({ address: server.address });
    await collect(createClient(IdentifiedEchoService, transport).watch({}));
    expect(seen[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen).toEqual(Array(3).fill(seen[0]));
  });

  test("those with the same field in their request go to the same instance", async () => {
    await using replicas = openReplicas({ balancing: { policy: "sticky", key: { field: "owner" } } });
    for (const id of ["a", "b", "c"]) {
      await replicas.start(id, {
        say: () => ({ text: id }),
        async *count() {
          yield { text: id };
        },
      });
    }
    await replicas.client.say({});
    await connected(replicas, 3);
    const by = new Map<string, Set<string>>();
    for (let n = 0; n < 60; n += 1) {
      const owner = `user-${n % 12}`;
      const [streamed] = await collect(replicas.client.count({ owner }));
      const { text } = await replicas.client.say({ owner });
      by.set(owner, (by.get(owner) ?? new Set()).add(text).add(streamed?.text ?? ""));
    }
    expect([...by.values()].every((instances) => instances.size === 1)).toBe(true);
    expect(new Set([...by.values()].flatMap((instances) => [...instances])).size).toBeGreaterThan(1);
  });
});
