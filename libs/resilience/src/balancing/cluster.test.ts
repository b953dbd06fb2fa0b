import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import type { Cluster } from "./cluster.ts";
import type { ClusterPolicy } from "./cluster-options.ts";
import type { Endpoint } from "./endpoint.ts";
import { countOf, factsOf, isLikely, law, seededRandom, type Subject, subjectOf } from "./fixture.ts";
import { hashText } from "./hash.ts";
import { balancingPolicies, isByKey } from "./options.ts";
import { subsetOf } from "./subset.ts";
import {
  canaries,
  instances,
  layouts,
  type Make,
  manyOf,
  play,
  policies,
  right,
  steps,
  World,
} from "./cluster.fixture.ts";

const laws = [
  law<Make>("C1 a call goes to somebody who may take it, or, in panic, to somebody who is connected", (make) => {
    fc.assert(
      fc.property(fc.integer(), policies, steps, (seed, policy, plan) => {
        const world = new World(make, seed, policy);
        const { unavailable, suspect, unready } = world.marked;
        play(world, plan, (picked) => {
          if (picked === undefined) return;
          expect(world.endpoints).toContain(picked);
          expect(unavailable.has(picked)).toBe(false);
          const others = world.endpoints.filter((endpoint) => !unavailable.has(endpoint) && !unready.has(endpoint));
          if (unready.has(picked)) expect(others).toEqual([]);
          if (world.cluster.describe().isPanic) return;
          expect(suspect.has(picked)).toBe(false);
          expect(world.ejected().has(picked.facts.id)).toBe(false);
        });
      }),
      { numRuns: 120 },
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
  law<Make>("C7 callers of all zones together load every instance alike, however unequal the zones", (make) => {
    fc.assert(
      fc.property(fc.integer(), fc.constantFrom(...balancingPolicies), layouts, (seed, policy, layout) => {
        fc.pre(!isByKey(policy));
        const members = layout.flatMap((size, zone) =>
          Array.from({ length: size }, (_, at) => factsOf(`${zone}-${at}`, { zone: `${zone}` })),
        );
        const calls = 1_000;
        const load = layout.map(() => 0);
        layout.forEach((size, zone) => {
          const world = new World(make, seed + zone, { balancing: { policy } }, { id: `${zone}`, zone: `${zone}` });
          world.cluster.update(members);
          const picks = countOf(calls, () => world.cluster.pick({})?.facts.zone);
          layout.forEach((_, at) => (load[at] = (load[at] ?? 0) + (picks.get(`${at}`) ?? 0)));
          // As many as possible stay.
          const kept = Math.min(1, (size / members.length) * layout.length);
          expect(isLikely(picks.get(`${zone}`) ?? 0, kept, calls)).toBe(true);
        });
        layout.forEach((size, zone) => {
          expect(isLikely(load[zone] ?? 0, size / members.length, calls * layout.length)).toBe(true);
        });
      }),
      { numRuns: 30 },
    );
  }),
  law<Make>(
    "C8 a version gets its share of every caller's calls, however few of its instances a subset has",
    (make) => {
      fc.assert(
        fc.property(fc.integer(), canaries, (seed, { count, size, ofVersion }) => {
          const world = new World(
            make,
            seed,
            { balancing: { subsetSize: size }, split: { v2: 20 }, routes: [{ header: "x-version", version: "v3" }] },
            { id: `caller-${seed}` },
          );
          world.cluster.update(manyOf(count, { v2: ofVersion, v3: 1 }));
          const picks = countOf(500, () => world.cluster.pick({})?.facts.version);
          expect(isLikely(picks.get("v2") ?? 0, 0.2, 500)).toBe(true);
          for (let call = 0; call < 5; call += 1) {
            expect(world.cluster.pick({ header: () => "yes" })?.facts.version).toBe("v3");
          }
        }),
        { numRuns: 50 },
      );
    },
  ),
  law<Make>("C9 calls that may go to any version load instances alike, whatever the subsets of versions", (make) => {
    fc.assert(
      fc.property(fc.integer(), canaries, (seed, { count, size, ofVersion }) => {
        const callers = 400;
        let canary = 0;
        for (let caller = 0; caller < callers; caller += 1) {
          const routes = [{ header: "x-version", version: "v2" }];
          const policy = { balancing: { subsetSize: size }, routes };
          const world = new World(make, seed + caller, policy, { id: `${seed}-${caller}` });
          world.cluster.update(manyOf(count, { v2: ofVersion }));
          if (world.cluster.pick({ header: () => undefined })?.facts.version === "v2") canary += 1;
        }
        expect(isLikely(canary, ofVersion / count, callers)).toBe(true);
      }),
      { numRuns: 10 },
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
    "those that are not ready get calls",
    changed(() => ({ setUnready: () => undefined })),
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
  mutant("C7", "calls stay in their zone whatever its size", (options) =>
    changed((cluster) => {
      const { pick } = cluster;
      const isNear = (endpoint: Endpoint | undefined): boolean => endpoint?.facts.zone === options.caller?.zone;
      return {
        pick: (call, avoid) => {
          let picked = pick.call(cluster, call, avoid);
          while (!isNear(picked)) picked = pick.call(cluster, call, avoid);
          return picked;
        },
      };
    })(options),
  ),
  mutant("C7", "zones are not looked at", (options) => right({ ...options, caller: { id: "me" } })),
  mutant("C8", "a subset is drawn before versions are looked at", (options) =>
    changed((cluster) => {
      const { update } = cluster;
      const { subsetSize = Infinity } = options.policy?.balancing ?? {};
      return { update: (listed) => update.call(cluster, subsetOf(listed, options.caller?.id ?? "", subsetSize)) };
    })(options),
  ),
  mutant(
    "C9",
    "whoever has a connection is as good as any",
    changed((cluster) => ({
      pick: () => {
        const all = [...cluster.endpoints];
        return all[Math.floor(seededRandom(hashText(all.map(({ facts }) => facts.id).join()))() * all.length)];
      },
    })),
  ),
  mutant("C5", "there is no panic while one is left", withBalancing({ panicShare: 0 })),
  mutant("C5", "one who may not take calls is panic", withBalancing({ panicShare: 1 })),
]);
