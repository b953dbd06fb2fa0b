import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Decision } from "../decision.ts";
import { Cluster, type ClusterOptions, type ClusterPolicy } from "./cluster.ts";
import type { Endpoint, Outcome } from "./endpoint.ts";
import { factsOf, isLikely, law, seededRandom, type Subject, subjectOf } from "./fixture.ts";
import { balancingPolicies, isByKey } from "./options.ts";

type Make = (options: ClusterOptions) => Cluster;
const right: Make = (options) => new Cluster(options);

/** A cluster with a clock that stands still, and the calls that run there. */
class World {
  nowMs = 0;
  readonly decisions: Decision[] = [];
  readonly cluster: Cluster;
  readonly marked = { unavailable: new Set<Endpoint>(), suspect: new Set<Endpoint>(), draining: new Set<Endpoint>() };
  readonly running: Endpoint[] = [];

  constructor(make: Make, seed: number, policy: ClusterPolicy = {}, caller: ClusterOptions["caller"] = { id: "me" }) {
    this.cluster = make({
      target: "user",
      now: () => this.nowMs,
      random: seededRandom(seed),
      onDecision: (decision) => void this.decisions.push(decision),
      caller,
      policy,
    });
  }

  get endpoints(): readonly Endpoint[] {
    return [...this.cluster.endpoints];
  }

  mark(kind: "unavailable" | "suspect" | "draining", endpoint: Endpoint, isMarked: boolean): void {
    if (isMarked) this.marked[kind].add(endpoint);
    else this.marked[kind].delete(endpoint);
    if (kind === "unavailable") this.cluster.setAvailable(endpoint, !isMarked);
    if (kind === "suspect") this.cluster.setSuspect(endpoint, isMarked);
    if (kind === "draining") this.cluster.setDraining(endpoint, isMarked);
  }

  call(outcome: Outcome, endpoint = this.cluster.pick({})): void {
    if (endpoint === undefined) return;
    this.cluster.begin(endpoint, "Get");
    this.nowMs += 1;
    this.cluster.end(endpoint, "Get", outcome, 1);
  }

  ejected(): Set<string> {
    const { endpoints } = this.cluster.describe();
    return new Set(endpoints.filter(({ readmittedInMs }) => readmittedInMs !== undefined).map(({ id }) => id));
  }
}

const policies: fc.Arbitrary<ClusterPolicy> = fc.record({
  balancing: fc.record({
    policy: fc.constantFrom(...balancingPolicies),
    panicShare: fc.constantFrom(0, 0.5, 1),
    subsetSize: fc.constantFrom(2, 20),
    zoneMinInstances: fc.constantFrom(1, 6),
  }),
  split: fc.constantFrom({}, { v2: 10 }, { v1: 50, v2: 50 }, { nobody: 100 }),
  routes: fc.constantFrom([], [{ header: "x-version", equals: "v2", version: "v2" }]),
});

const step = fc.oneof(
  fc.record({ kind: fc.constant("list" as const), members: fc.uniqueArray(fc.nat(7)) }),
  fc.record({
    kind: fc.constantFrom("unavailable" as const, "suspect" as const, "draining" as const),
    at: fc.nat(7),
    isMarked: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant("call" as const),
    outcome: fc.constantFrom<Outcome>("ok", "failure", "failure", "refused", "cancelled"),
    times: fc.integer({ min: 1, max: 20 }),
    key: fc.constantFrom(undefined, "a", "b"),
    header: fc.constantFrom(undefined, "v2"),
  }),
  fc.record({ kind: fc.constant("configure" as const), policy: policies }),
  fc.record({ kind: fc.constant("pass" as const), ms: fc.constantFrom(1, 1000, 40_000) }),
);
const steps = fc.array(step, { minLength: 5, maxLength: 40, size: "max" });

const instances = Array.from({ length: 8 }, (_, at) =>
  factsOf(`${at}`, { version: at % 3 === 0 ? "v2" : "v1", zone: `${at % 2}`, weight: 1 + (at % 2) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Plays a history, and looks at each pick. */
function play(world: World, plan: readonly Step[], onPick: (picked: Endpoint | undefined) => void): void {
  world.cluster.update(instances.slice(0, 3));
  for (const next of plan) {
    if (next.kind === "list") world.cluster.update(instances.filter((_, at) => next.members.includes(at)));
    else if (next.kind === "configure") world.cluster.configure(next.policy);
    else if (next.kind === "pass") world.nowMs += next.ms;
    else if (next.kind === "call") {
      for (let turn = 0; turn < next.times; turn += 1) {
        const picked = world.cluster.pick({ key: next.key, header: () => next.header });
        onPick(picked);
        world.call(next.outcome, picked);
      }
    } else {
      const endpoint = world.endpoints.find(({ facts }) => facts.id === `${next.at}`);
      if (endpoint !== undefined) world.mark(next.kind, endpoint, next.isMarked);
    }
  }
}

const laws = [
  law<Make>("C1 a call goes to somebody who may take it, or, in panic, to somebody who is connected", (make) => {
    fc.assert(
      fc.property(fc.integer(), policies, steps, (seed, policy, plan) => {
        const world = new World(make, seed, policy);
        const { unavailable, suspect, draining } = world.marked;
        play(world, plan, (picked) => {
          if (picked === undefined) return;
          expect(world.endpoints).toContain(picked);
          expect(unavailable.has(picked)).toBe(false);
          const others = world.endpoints.filter((endpoint) => !unavailable.has(endpoint) && !draining.has(endpoint));
          if (draining.has(picked)) expect(others).toEqual([]);
          if (world.cluster.describe().isPanic) return;
          expect(suspect.has(picked)).toBe(false);
          expect(world.ejected().has(picked.facts.id)).toBe(false);
        });
      }),
      { numRuns: 40 },
    );
  }),
  law<Make>("C2 as long as anybody is connected, there is somebody to take a call", (make) => {
    fc.assert(
      fc.property(fc.integer(), policies, steps, (seed, policy, plan) => {
        const world = new World(make, seed, policy);
        play(world, plan, (picked) => {
          const connected = world.endpoints.filter((endpoint) => !world.marked.unavailable.has(endpoint));
          expect(picked === undefined).toBe(connected.length === 0);
        });
      }),
      { numRuns: 40 },
    );
  }),
  law<Make>("C3 new settings and lists leave what was measured of those that stay", (make) => {
    fc.assert(
      fc.property(fc.integer(), policies, policies, (seed, before, after) => {
        const world = new World(make, seed, before);
        world.cluster.update(instances.slice(0, 2));
        for (let turn = 0; turn < 20; turn += 1) world.call("ok");
        for (let turn = 0; turn < 5; turn += 1) world.call("failure", world.endpoints[0]);
        const measured = world.cluster.describe().endpoints;
        world.cluster.configure(after);
        world.cluster.update(instances.slice(0, 2));
        const now = world.cluster.describe().endpoints;
        expect(now).toEqual(measured);
        expect(world.ejected()).toEqual(new Set(["0"]));
      }),
    );
  }),
  law<Make>("C4 a version that nobody has fails no call, and one decision says so", (make) => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.constantFrom<ClusterPolicy>({ split: { v9: 100 } }, { routes: [{ header: "x", version: "v9" }] }),
        (seed, policy) => {
          const world = new World(make, seed, policy);
          world.cluster.update(instances);
          for (let turn = 0; turn < 20; turn += 1) {
            expect(world.cluster.pick({ header: () => "" })).toBeDefined();
          }
          expect(world.decisions).toEqual([{ kind: "fallback", target: "user", reason: "no instance of the version" }]);
        },
      ),
    );
  }),
  law<Make>("C5 fewer than the share who may take calls are panic: then all that are connected do", (make) => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: 1, max: 8 }),
        fc.nat(8),
        fc.constantFrom(0, 0.3, 0.5, 1),
        (seed, size, suspects, panicShare) => {
          const world = new World(make, seed, { balancing: { policy: "round-robin", panicShare } });
          world.cluster.update(instances.slice(0, size));
          for (const endpoint of world.endpoints.slice(0, suspects)) world.mark("suspect", endpoint, true);
          const left = Math.max(0, size - suspects);
          const isPanic = left === 0 || left < panicShare * size;
          expect(world.cluster.describe().isPanic).toBe(isPanic);
          expect(world.decisions.filter(({ kind }) => kind === "panic")).toHaveLength(isPanic ? 1 : 0);
          const picked = new Set(Array.from({ length: size }, () => world.cluster.pick({})));
          expect(picked.size).toBe(isPanic ? size : left);
        },
      ),
    );
  }),
  law<Make>("C6 calls leave a zone in which nobody answers", (make) => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...balancingPolicies), fc.boolean(), (seed, policy, isSilent) => {
        fc.pre(!isByKey(policy));
        const world = new World(make, seed, { balancing: { policy } }, { id: "me", zone: "0" });
        world.cluster.update(instances.map((facts) => ({ ...facts, weight: 1 })));
        for (const endpoint of world.endpoints) world.call("ok", endpoint);
        const isNear = (endpoint: Endpoint | undefined): boolean => endpoint?.facts.zone === "0";
        if (isSilent) for (const endpoint of world.endpoints.filter(isNear)) world.cluster.begin(endpoint, "Get");
        world.nowMs += 100;
        const near = Array.from({ length: 400 }, () => world.cluster.pick({})).filter(isNear).length;
        // Of all instances, half are near.
        if (isSilent) expect(near <= 200 || isLikely(near, 0.5, 400)).toBe(true);
        else expect(near).toBe(400);
      }),
    );
  }),
];

describeLaws("cluster", laws, subjectOf(right));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

function changed(change: (cluster: Cluster) => Partial<Cluster>): Make {
  return (options) => {
    const cluster = right(options);
    return Object.assign(cluster, change(cluster));
  };
}

const withBalancing =
  (change: ClusterPolicy["balancing"]): Make =>
  (options) => {
    const over = (policy: ClusterPolicy): ClusterPolicy => ({
      ...policy,
      balancing: { ...policy.balancing, ...change },
    });
    const cluster = right({ ...options, policy: over(options.policy ?? {}) });
    const { configure } = cluster;
    return Object.assign(cluster, { configure: (policy: ClusterPolicy) => configure.call(cluster, over(policy)) });
  };

describeMutants("cluster: mutants", laws, [
  mutant(
    "C1",
    "connections are not looked at",
    changed(() => ({ setAvailable: () => undefined })),
  ),
  mutant(
    "C1",
    "silent ones get calls",
    changed(() => ({ setSuspect: () => undefined })),
  ),
  mutant(
    "C1",
    "those that stop get calls",
    changed(() => ({ setDraining: () => undefined })),
  ),
  mutant(
    "C2",
    "in panic, nobody gets a call",
    changed((cluster) => {
      const { pick } = cluster;
      return { pick: (call, avoid) => (cluster.describe().isPanic ? undefined : pick.call(cluster, call, avoid)) };
    }),
  ),
  mutant(
    "C3",
    "settings begin anew",
    changed((cluster) => {
      const { configure } = cluster;
      return {
        configure: (policy) => {
          cluster.update([]);
          configure.call(cluster, policy);
        },
      };
    }),
  ),
  mutant(
    "C4",
    "a call goes to its version or nowhere",
    changed((cluster) => {
      const { pick } = cluster;
      return {
        pick: (call, avoid) => {
          const picked = pick.call(cluster, call, avoid);
          return picked?.facts.version === "v9" ? picked : undefined;
        },
      };
    }),
  ),
  mutant(
    "C6",
    "a call stays in its zone whatever happens there",
    changed((cluster) => ({
      pick: () => [...cluster.endpoints].find(({ facts }) => facts.zone === "0"),
    })),
  ),
  mutant("C5", "there is no panic while one is left", withBalancing({ panicShare: 0 })),
  mutant("C5", "one who may not take calls is panic", withBalancing({ panicShare: 1 })),
]);

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
