import { expect, test } from "vitest";
import { instances, right, World } from "./cluster.fixture.ts";
import type { ClusterPolicy } from "./cluster-options.ts";
import { factsOf } from "./fixture.ts";
import { balancingPolicies } from "./options.ts";

test("with two replicas, one that fails half of its calls is ejected within a second at 100 calls a second", () => {
  for (const policy of balancingPolicies) {
    for (const replicas of [2, 3]) {
      const world = new World(right, 7, { balancing: { policy } });
      world.cluster.update(instances.slice(0, replicas));
      for (let call = 0; call < 500; call += 1) {
        world.nowMs += 9;
        world.call("ok", world.cluster.pick({ key: `${call}` }));
      }
      let calls = 0;
      let atSick = 0;
      while (world.ejected().size === 0 && calls < 300) {
        const picked = world.cluster.pick({ key: `${(calls += 1)}` });
        world.nowMs += 9;
        const fails = picked?.facts.id === "1" && (atSick += 1) % 2 === 0;
        world.call(fails ? "failure" : "ok", picked);
      }
      expect(calls).toBeLessThan(100);
    }
  }
});

test("an ejected instance is readmitted without a tick, and warms up", () => {
  const world = new World(right, 1);
  world.cluster.update(instances.slice(0, 3));
  const [sick] = world.endpoints;
  for (let turn = 0; turn < 5; turn += 1) world.call("failure", sick);
  expect(world.cluster.describe().endpoints[0]).toMatchObject({ state: "ejected", reason: "consecutive failures" });
  world.nowMs += 30_000;
  world.cluster.pick({});
  expect(world.cluster.describe().endpoints[0]).toMatchObject({ state: "eligible", weight: 0.1 });
  expect(world.decisions).toEqual([
    { kind: "ejected", target: "user", instance: "0", reason: "consecutive failures" },
    { kind: "readmitted", target: "user", instance: "0", reason: "time is up" },
  ]);
});

test("whoever joins warms up from its first chance to take a call on; who was there before does not", () => {
  const world = new World(right, 1);
  world.cluster.update(instances.slice(0, 1));
  world.cluster.update(instances.slice(0, 3).toReversed());
  const [first, second] = world.endpoints;
  expect(first?.weightAt(0)).toBe(1);
  expect(second?.facts.id).toBe("2");
  if (second === undefined) return;
  world.cluster.setAvailable(second, false);
  world.nowMs = 8_000;
  world.cluster.setAvailable(second, true);
  expect(second.warmthAt(8_000)).toBe(0.1);
  expect(second.warmthAt(13_000)).toBe(0.5);
  expect(second.warmthAt(18_000)).toBe(1);
});

test("a caller keeps to a subset, except for policies by key", () => {
  const world = new World(right, 1, { balancing: { subsetSize: 3 } });
  world.cluster.update(instances);
  expect(world.endpoints).toHaveLength(3);
  world.cluster.configure({ balancing: { subsetSize: 3, policy: "sticky" } });
  expect(world.endpoints).toHaveLength(8);
  expect(world.cluster.describe()).toMatchObject({ listed: 8, policy: "sticky" });
  // Three of `v2`, as many of the others, and nobody beyond that for calls to any version.
  world.cluster.configure({ balancing: { subsetSize: 3 }, split: { v2: 50 } });
  expect(world.endpoints.map(({ facts }) => facts.version).toSorted()).toEqual(["v1", "v1", "v1", "v2", "v2", "v2"]);
});

test("the key may come from a header", () => {
  const world = new World(right, 1, { balancing: { policy: "sticky", key: { header: "X-User" } } });
  world.cluster.update(instances);
  const picked = (user: string): unknown =>
    world.cluster.pick({ header: (name) => (name === "x-user" ? user : undefined) })?.facts.id;
  for (const user of ["a", "b", "c"]) expect(new Set(Array.from({ length: 20 }, () => picked(user))).size).toBe(1);
  expect(new Set(["a", "b", "c", "d", "e", "f"].map(picked)).size).toBeGreaterThan(1);
});

test("a new weight, version or zone is taken over; a new address is another instance", () => {
  const world = new World(right, 1);
  world.cluster.update([factsOf("a"), factsOf("b")]);
  const [a, b] = world.endpoints;
  world.cluster.update([factsOf("a", { weight: 3, version: "2" }), factsOf("b", { address: "elsewhere:1" })]);
  expect(world.endpoints[0]).toBe(a);
  expect(a?.facts.weight).toBe(3);
  expect(world.endpoints).not.toContain(b);
});

test("a retry leaves the zone and the version in which all have failed it", () => {
  const policy: ClusterPolicy = { balancing: { zoneMinInstances: 2 }, split: { v2: 100 } };
  const world = new World(right, 1, policy, { id: "me", zone: "0" });
  world.cluster.update(instances);
  const avoid = new Set(world.endpoints.filter(({ facts }) => facts.version === "v2"));
  expect(world.cluster.pick({}, avoid)?.facts.version).toBe("v1");
});

test("an instance that was silent is told to answer again once it has: not because its connection is gone", () => {
  const world = new World(right, 1);
  world.cluster.update(instances.slice(0, 2));
  const [silent] = world.endpoints;
  if (silent === undefined) return;
  const told = (): readonly string[] => world.decisions.map(({ kind, reason }) => `${kind}: ${reason}`);
  world.mark("suspect", silent, true);
  world.mark("unavailable", silent, true);
  world.mark("suspect", silent, false);
  expect(told()).toEqual(["ejected: silent"]);
  world.mark("unavailable", silent, false);
  expect(told()).toEqual(["ejected: silent", "readmitted: answers again"]);
  world.mark("unavailable", silent, true);
  world.mark("suspect", silent, true);
  world.mark("unavailable", silent, false);
  expect(told().slice(2)).toEqual(["ejected: silent"]);
});

test("what is shown of an instance is what the choice goes by now: what is long over is forgotten", () => {
  const world = new World(right, 1);
  world.cluster.update(instances.slice(0, 1));
  const [endpoint] = world.endpoints;
  if (endpoint === undefined) return;
  world.cluster.begin(endpoint, "Get");
  world.nowMs += 400;
  world.cluster.end(endpoint, "Get", "ok", 400);
  world.call("failure", endpoint);
  const [before] = world.cluster.describe().endpoints;
  expect(before?.latencyMs).toBeGreaterThan(300);
  expect(before?.failureShare).toBeGreaterThan(0.1);
  world.nowMs += 120_000;
  const [after] = world.cluster.describe().endpoints;
  expect(after?.latencyMs).toBeLessThan(0.01);
  expect(after?.failureShare).toBeLessThan(0.001);
});
