import { Metadata, status } from "@grpc/grpc-js";
import { WeftError } from "@weft/kit";
import { describe, expect, test } from "vitest";
import { createClient, openTransport } from "../index.ts";
import { openBare } from "../testing/bare.ts";
import { EchoService } from "../testing/echo.ts";
import { aborted, errorFrom, until } from "../testing/harness.ts";
import { connected, openReplicas, type Replicas } from "../testing/replicas.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Who answered a number of calls, one after the other. */
async function served({ client }: Replicas, calls: number, options = {}): Promise<Map<string, number>> {
  const by = new Map<string, number>();
  for (let n = 0; n < calls; n += 1) {
    const { text } = await client.say({}, options);
    by.set(text, (by.get(text) ?? 0) + 1);
  }
  return by;
}

/** Resolves when all replicas are connected. */
async function allConnected(replicas: Replicas): Promise<void> {
  await replicas.client.say({});
  await connected(replicas, replicas.transport.status().endpoints.length);
}

describe("placing", () => {
  test("a policy is changed while the transport runs", async () => {
    await using replicas = openReplicas({ balancing: { policy: "round-robin" } });
    for (const id of ["a", "b", "c"]) await replicas.start(id, { say: () => ({ text: id }) });
    await allConnected(replicas);
    expect([...(await served(replicas, 30)).values()]).toEqual([10, 10, 10]);
    replicas.transport.configure({ balancing: { policy: "sticky" } });
    expect((await served(replicas, 30, { key: "ada" })).size).toBe(1);
    expect(replicas.transport.status()).toMatchObject({ target: "echo", policy: "sticky", stale: false });
  });

  test("calls with the same field in their request go to the same instance", async () => {
    await using replicas = openReplicas({ balancing: { policy: "sticky", key: { field: "owner" } } });
    for (const id of ["a", "b", "c"])
      await replicas.start(id, { say: () => ({ text: id }), watch: async function* () {} });
    await allConnected(replicas);
    const by = new Map<string, Set<string>>();
    for (let n = 0; n < 60; n += 1) {
      const owner = `user-${n % 12}`;
      const { text } = await replicas.client.say({ owner });
      by.set(owner, (by.get(owner) ?? new Set()).add(text));
    }
    expect([...by.values()].every((instances) => instances.size === 1)).toBe(true);
    expect(new Set([...by.values()].flatMap((instances) => [...instances])).size).toBeGreaterThan(1);
  });

  test("a version gets its share, and those whom a header sends there", async () => {
    await using replicas = openReplicas({
      split: { "2.0.0": 10 },
      routes: [{ header: "x-canary", equals: "yes", version: "2.0.0" }],
    });
    await replicas.start("old", { say: () => ({ text: "old" }) }, { version: "1.0.0" });
    await replicas.start("new", { say: () => ({ text: "new" }) }, { version: "2.0.0" });
    await allConnected(replicas);
    const share = await served(replicas, 300);
    expect(share.get("new")).toBeGreaterThan(5);
    expect(share.get("new")).toBeLessThan(80);
    expect(await served(replicas, 20, { metadata: { "x-canary": "yes" } })).toEqual(new Map([["new", 20]]));
    const header = (name: string) => (name === "x-canary" ? "yes" : undefined);
    expect(await served(replicas, 20, { header })).toEqual(new Map([["new", 20]]));
  });

  test("a sick instance is left out, and the status tells", async () => {
    await using replicas = openReplicas();
    let failed = 0;
    await replicas.start("sick", {
      say: () => {
        failed += 1;
        throw new WeftError("UNAVAILABLE", "no");
      },
    });
    await replicas.start("well", { say: () => ({ text: "well" }) });
    await allConnected(replicas);
    expect(await served(replicas, 200)).toEqual(new Map([["well", 200]]));
    expect(failed).toBeLessThan(20);
    expect(replicas.transport.status().endpoints).toContainEqual(
      expect.objectContaining({ id: "sick", state: "ejected", connection: "connected" }),
    );
    expect(replicas.decisions).toContainEqual(expect.objectContaining({ kind: "ejected", instance: "sick" }));
    const status = replicas.transport.status();
    expect(JSON.parse(JSON.stringify(status))).toEqual(status);
  });
});

describe("guarding", () => {
  test("a method that fails everywhere is left alone for a while", async () => {
    await using replicas = openReplicas({ retry: { maxTries: 1 }, breaker: { openMs: 60_000 } });
    let calls = 0;
    await replicas.start("a", {
      say: () => ({}),
      missing: () => {
        calls += 1;
        throw new WeftError("UNAVAILABLE", "no");
      },
    });
    const reasons = new Set<unknown>();
    for (let n = 0; n < 40; n += 1) {
      reasons.add(((await errorFrom(replicas.client.missing({}))) as WeftError).reason);
    }
    expect(reasons).toEqual(new Set(["UNAVAILABLE", "BREAKER_OPEN"]));
    expect(calls).toBe(10);
    await replicas.client.say({});
    expect(replicas.transport.status().breakers).toEqual([
      { method: "weft.test.v1.EchoService/Missing", state: "open" },
      { method: "weft.test.v1.EchoService/Say", state: "closed" },
    ]);
  });

  test("a target that hangs holds no more calls than its bulkhead takes", async () => {
    await using replicas = openReplicas({ bulkhead: { maxCallsPerMethod: 5, maxStreams: 2 } });
    let go: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => (go = resolve));
    await replicas.start("a", {
      say: async () => {
        await gate;
        return {};
      },
      async *count() {
        await gate;
        yield {};
      },
    });
    const calls = Array.from({ length: 8 }, () => replicas.client.say({}).catch((error: WeftError) => error.reason));
    const streams = Array.from({ length: 3 }, () =>
      replicas.client
        .count({})
        [Symbol.asyncIterator]()
        .next()
        .catch((error: WeftError) => error.reason),
    );
    await pause(50);
    expect(replicas.transport.status().inside).toEqual({ calls: 5, streams: 2 });
    go?.();
    const refused = (answers: unknown[]): number => answers.filter((answer) => answer === "BULKHEAD_FULL").length;
    expect([refused(await Promise.all(calls)), refused(await Promise.all(streams))]).toEqual([3, 1]);
    expect(replicas.transport.status().inside.calls).toBe(0);
  });

  test("a read that takes longer than nearly all is made a second time elsewhere", async () => {
    await using replicas = openReplicas({
      hedging: { methods: ["weft.test.v1.EchoService/Say"], budgetShare: 1, maxPerSecond: 1_000 },
    });
    let stuck: string | undefined;
    let reset = false;
    for (const id of ["a", "b"]) {
      await replicas.start(id, {
        say: async ({ text }, { signal }) => {
          if (text !== "stick" || stuck !== undefined) return { text: id };
          stuck = id;
          await aborted(signal);
          reset = true;
          throw signal.reason;
        },
      });
    }
    await allConnected(replicas);
    await served(replicas, 100);
    // What those took is taken in four times a second.
    await pause(300);
    const { text } = await replicas.client.say({ text: "stick" });
    expect(stuck).toBeDefined();
    expect(text).toBe(stuck === "a" ? "b" : "a");
    await until(() => reset);
    expect(replicas.decisions.filter(({ kind }) => kind === "hedged").length).toBeGreaterThan(0);
  });
});

describe("server push-back", () => {
  async function openBusy(pushBack: string) {
    const at: number[] = [];
    const server = await openBare("Say", (call) => {
      at.push(performance.now());
      if (at.length > 1) {
        call.write(Buffer.alloc(0));
        call.end();
        return;
      }
      const metadata = new Metadata();
      metadata.set("grpc-retry-pushback-ms", pushBack);
      call.emit("error", { code: status.UNAVAILABLE, details: "busy", metadata });
    });
    return { ...server, at };
  }

  test("says when to come again", async () => {
    await using server = await openBusy("400");
    const { address, at } = server;
    await using transport = openTransport({ address });
    await createClient(EchoService, transport).say({});
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThanOrEqual(399);
  });

  test.each(["-1", "soon"])("says not to come again: %s", async (word) => {
    await using server = await openBusy(word);
    const { address, at } = server;
    await using transport = openTransport({ address });
    expect(await errorFrom(createClient(EchoService, transport).say({}))).toMatchObject({ reason: "UNAVAILABLE" });
    expect(at).toHaveLength(1);
  });
});
