import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openTestNamespace } from "@weft/consul/testing";
import { Secret } from "@weft/kit";
import { Recorder, Stopwatch, within } from "@weft/kit/testing";
import { describeBackend } from "@weft/native/testing";
import { expect, test } from "vitest";
import { openConsulDiscovery } from "./index.ts";

const instance = { service: "user", id: "a", address: "127.0.0.1:1", metadata: {} };
const ttlMs = 1500;

describeBackend("consul", (server) => {
  /** Two handles through one proxy, one of which watches what the other registers. */
  async function openPair(registered = ttlMs) {
    const stack = new AsyncDisposableStack();
    const { url, proxy } = stack.use(await openTestNamespace(server().port));
    const watcher = stack.use(await openConsulDiscovery({ url: new Secret(url) }));
    const discovery = stack.use(await openConsulDiscovery({ url: new Secret(url) }));
    const registration = await discovery.register(instance, { ttlMs: registered });
    const lists = new Recorder(watcher.watch("user", new AbortController().signal));
    await lists.until(1000, "the instance", (list) => list.instances.length === 1);
    return { proxy, watcher, registration, lists, [Symbol.asyncDispose]: () => stack.disposeAsync() };
  }

  test("D4 an agent that answers nothing is noticed within 3.5 s", async () => {
    await using pair = await openPair();
    await pair.proxy.stall();
    await pair.lists.until(3500, "a stale list", (list) => list.stale);
    await pair.proxy.restore();
    await pair.lists.until(3000, "a fresh list", (list) => !list.stale);
  });

  test.each([
    ["its data", async () => undefined],
    ["nothing", () => rm(join(dirname(server().logFile), "data"), { recursive: true })],
  ])("D4 an agent that comes back with %s takes no living instance out of a watcher's list", async (_, lose) => {
    await using pair = await openPair();
    await server().kill();
    await lose();
    await pair.lists.until(3500, "a stale list", (list) => list.stale);
    await new Promise((resolve) => setTimeout(resolve, 2 * ttlMs));
    await server().start();
    await pair.lists.until(5000, "a fresh list", (list) => !list.stale);
    // Known to the agent again, not only spared.
    await within(5000, "it is listed", async () => (await pair.watcher.list()).length === 1);
    await new Promise((resolve) => setTimeout(resolve, 2 * ttlMs));
    expect(pair.lists.values.filter(({ instances }) => instances.length !== 1)).toEqual([]);
    await pair.registration[Symbol.asyncDispose]();
    await pair.lists.until(1000, "nobody", ({ instances }) => instances.length === 0);
  });

  test("D7 leaving ends soon though the agent answers nothing, and the instance expires", async () => {
    await using pair = await openPair();
    await using other = await openConsulDiscovery({ url: new Secret(server().url) });
    await pair.proxy.stall();
    using passed = new Stopwatch();
    await pair.registration[Symbol.asyncDispose]();
    expect(passed.ms).toBeLessThan(4000);
    await within(ttlMs + 1000, "it is gone", async () => (await other.list()).length === 0);
    await pair.proxy.restore();
  });

  test("D7 leaving in the middle of a beat ends as soon, however long the TTL", async () => {
    await using pair = await openPair(12_000);
    await pair.proxy.stall();
    // The first beat has begun then, 3.2 to 4 s after the registration.
    await new Promise((resolve) => setTimeout(resolve, 4100));
    using passed = new Stopwatch();
    await pair.registration[Symbol.asyncDispose]();
    expect(passed.ms).toBeLessThan(4000);
    await pair.proxy.restore();
  });
});
