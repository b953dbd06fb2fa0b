import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { collect, errorFrom, iterate, quiet, until } from "../testing/harness.ts";
import { startProcess } from "../testing/load.ts";
import { connected, held, openReplicas } from "../testing/replicas.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe("on an instance that freezes", () => {
  let child: Awaited<ReturnType<typeof startProcess>>;
  beforeEach(async () => {
    child = await startProcess();
  });
  afterEach(() => {
    child.process.kill("SIGKILL");
  });

  test("streams that wait for their first response go to others, though nobody else calls", async () => {
    await using replicas = openReplicas({ balancing: { warmUp: { windowMs: 0 } } });
    replicas.add("child", child.address);
    await collect(replicas.client.count({}));
    await replicas.start("b", {
      async *count() {
        yield { text: "b" };
      },
    });
    await connected(replicas, 2);
    child.process.kill("SIGSTOP");
    const streams = Array.from({ length: 12 }, () => collect(replicas.client.count({}, { timeoutMs: 60_000 })));
    await until(() => replicas.transport.status().endpoints.some(({ id, inFlight }) => id === "child" && inFlight > 0));
    for (const responses of await Promise.all(streams)) expect(responses).toMatchObject([{ text: "b" }]);
    const { endpoints, breakers } = replicas.transport.status();
    expect(endpoints).toContainEqual(expect.objectContaining({ id: "child", state: "suspect", failureShare: 0 }));
    expect(breakers).toEqual([{ method: "weft.test.v1.EchoService/Count", state: "closed" }]);
    expect(replicas.decisions).toContainEqual(expect.objectContaining({ kind: "ejected", reason: "silent" }));
    expect(held(replicas)).toEqual([0, 0, 0]);
  }, 30_000);

  test("a stream that nobody else could take waits for it to go on", async () => {
    await using replicas = openReplicas();
    replicas.add("child", child.address);
    await collect(replicas.client.count({}));
    child.process.kill("SIGSTOP");
    const counting = collect(replicas.client.count({}, { timeoutMs: 60_000 }));
    await until(() => replicas.transport.status().endpoints[0]?.state === "suspect");
    await pause(300);
    child.process.kill("SIGCONT");
    expect(await counting).toMatchObject([{ text: "child" }]);
    await until(() => replicas.transport.status().endpoints[0]?.state === "eligible");
  }, 30_000);

  test("streams that may not begin again are given up, and quiet ones elsewhere are left alone", async () => {
    await using replicas = openReplicas({ balancing: { warmUp: { windowMs: 0 } } });
    replicas.add("child", child.address);
    const read = iterate(replicas.client.watch({ number: 1 }));
    expect(await read.next()).toMatchObject({ value: { text: "child" } });
    const accepted = Promise.withResolvers<void>();
    const unread = errorFrom(collect(replicas.client.watch({}, { onAccepted: accepted.resolve })));
    await accepted.promise;
    await replicas.start("b", { watch: quiet });
    await connected(replicas, 2);
    const giveUp = new AbortController();
    let [begun, ended] = [0, 0];
    const others = Array.from({ length: 8 }, () =>
      errorFrom(
        collect(replicas.client.watch({}, { signal: giveUp.signal, onAccepted: () => void (begun += 1) })),
      ).finally(() => (ended += 1)),
    );
    await until(() => begun === 8);
    child.process.kill("SIGSTOP");
    // Nobody waits for anything soon, so it is asked after five seconds, suspect within two, and given up five later.
    for (const failed of [errorFrom(read.next()), unread]) {
      expect(await failed).toMatchObject({ reason: "UNAVAILABLE", message: "the instance has fallen silent" });
    }
    const endpoint = (name: string) => replicas.transport.status().endpoints.find(({ id }) => id === name);
    expect(endpoint("child")).toMatchObject({ inFlight: 0, state: "suspect", failureShare: 0 });
    await until(() => ended + (endpoint("b")?.inFlight ?? 0) === 8);
    expect(endpoint("b")?.inFlight).toBeGreaterThan(0);
    giveUp.abort();
    await Promise.all(others);
    expect(held(replicas)).toEqual([0, 0, 0]);
  }, 60_000);
});
