import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Instance } from "@weft/discovery";
import { type Clock, ManualClock, systemClock } from "@weft/kit";
import { Recorder, startProcess, within } from "@weft/kit/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openEmbeddedDiscovery } from "./index.ts";
import { Registry } from "./registry.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-discovery-"));
});
afterEach(() => rm(dataDir, { recursive: true }));

const instance: Instance = { service: "user", id: "a", address: "127.0.0.1:1", metadata: {} };

test("a process that was stopped for longer than its TTL registers itself again when it goes on", async () => {
  await using discovery = await openEmbeddedDiscovery({ dataDir });
  await using elsewhere = await startProcess(`
    import { openEmbeddedDiscovery } from ${JSON.stringify(join(import.meta.dirname, "index.ts"))};
    const discovery = await openEmbeddedDiscovery({ dataDir: ${JSON.stringify(dataDir)} });
    await discovery.register(${JSON.stringify(instance)}, { ttlMs: 1000 });
  `);
  const lists = new Recorder(discovery.watch("user", new AbortController().signal));
  await lists.until(1000, "the instance", (list) => list.instances.length === 1);
  elsewhere.signal("SIGSTOP");
  await lists.until(2000, "nobody", (list) => list.instances.length === 0);
  elsewhere.signal("SIGCONT");
  await lists.until(1000, "the instance again", (list) => list.instances.length === 1);
});

test("heartbeats prolong an entry and wake nobody", async () => {
  const clock = new ManualClock();
  await using discovery = await openEmbeddedDiscovery({ dataDir, clock });
  await discovery.register(instance);
  using registry = new Registry(dataDir);
  const expiresMs = (): number => registry.read()[0]?.expiresMs ?? 0;
  const before = expiresMs();
  let wakes = 0;
  using _watch = registry.onChange(() => (wakes += 1));
  await clock.advance(30_000);
  // Longer than any change goes unseen.
  await systemClock.sleep(600);
  expect(expiresMs()).toBe(before + 30_000);
  expect(wakes).toBe(0);
});

test("an entry that vanished from the file comes back with the next heartbeat", async () => {
  const clock = new ManualClock();
  await using discovery = await openEmbeddedDiscovery({ dataDir, clock });
  await discovery.register(instance);
  using registry = new Registry(dataDir);
  // Two minutes without a heartbeat of this one: another registration throws it out as long dead.
  registry.put("other", { ...instance, id: "b", ttlMs: 3000, expiresMs: clock.now() + 150_000 }, clock.now() + 120_000);
  expect((await discovery.list()).map(({ id }) => id)).toEqual(["b"]);
  await clock.advance(1000);
  expect((await discovery.list()).map(({ id }) => id)).toEqual(["a", "b"]);
});

test("when the machine slept, the living stay listed and the dead go after one more TTL", async () => {
  let sleptMs = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + sleptMs };
  await using watcher = await openEmbeddedDiscovery({ dataDir, clock });
  await using other = await openEmbeddedDiscovery({ dataDir, clock });
  await other.register(instance, { ttlMs: 1500 });
  using registry = new Registry(dataDir);
  registry.put("dead", { ...instance, id: "dead", ttlMs: 1500, expiresMs: clock.now() + 1500 }, clock.now());
  const lists = new Recorder(watcher.watch("user", new AbortController().signal));
  await lists.until(1000, "both", (list) => list.instances.length === 2);
  sleptMs = 3_600_000;
  await lists.until(4000, "the living", (list) => list.instances.length === 1);
  expect(lists.values.every((list) => list.instances.some(({ id }) => id === "a"))).toBe(true);
});

test("watches cost nothing when they have ended", async () => {
  let sleeping = 0;
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms, signal) => {
      sleeping += 1;
      await systemClock.sleep(ms, signal).finally(() => (sleeping -= 1));
    },
  };
  await using discovery = await openEmbeddedDiscovery({ dataDir, clock });
  await using other = await openEmbeddedDiscovery({ dataDir });
  await other.register(instance);
  const controller = new AbortController();
  const lists = new Recorder(discovery.watch("user", controller.signal));
  await lists.until(1000, "the instance", (list) => list.instances.length === 1);
  expect(sleeping).toBe(1);
  controller.abort();
  await lists.ended;
  await within(5000, "no timer left", () => sleeping === 0);
});

test("while nobody can write, nobody is taken for dead", async () => {
  await using watcher = await openEmbeddedDiscovery({ dataDir });
  await using other = await openEmbeddedDiscovery({ dataDir });
  await other.register(instance, { ttlMs: 1000 });
  const lists = new Recorder(watcher.watch("user", new AbortController().signal));
  await lists.until(1000, "the instance", (list) => list.instances.length === 1);
  using beats = new DatabaseSync(join(dataDir, "discovery-beats.db"));
  // Like a full disk: reading goes on, every write fails.
  const full = ["INSERT", "UPDATE"].map((verb) => ({ verb, name: `full_${verb}` }));
  for (const { verb, name } of full) {
    beats.exec(`CREATE TRIGGER ${name} BEFORE ${verb} ON beat BEGIN SELECT RAISE(ABORT, 'full'); END`);
  }
  await lists.until(3000, "a stale list", (list) => list.stale);
  await systemClock.sleep(1500);
  // Whoever begins to watch now has no former list to keep.
  await using late = await openEmbeddedDiscovery({ dataDir });
  const lateLists = new Recorder(late.watch("user", new AbortController().signal));
  await lateLists.until(1000, "the instance, as a guess", (list) => list.stale && list.instances.length === 1);
  for (const { name } of full) beats.exec(`DROP TRIGGER ${name}`);
  await lists.until(2000, "a fresh list", (list) => !list.stale);
  await lateLists.until(2000, "a fresh list", (list) => !list.stale && list.instances.length === 1);
  await systemClock.sleep(1500);
  expect(lists.values.map((list) => list.instances.length)).toEqual(lists.values.map(() => 1));
});
