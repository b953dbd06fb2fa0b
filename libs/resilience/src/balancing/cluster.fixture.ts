import fc from "fast-check";
import type { Decision } from "../decision.ts";
import { Cluster } from "./cluster.ts";
import type { ClusterOptions, ClusterPolicy } from "./cluster-options.ts";
import type { Endpoint, EndpointFacts, Outcome } from "./endpoint.ts";
import { factsOf, seededRandom } from "./fixture.ts";
import { balancingDefaults, balancingPolicies } from "./options.ts";

export type Make = (options: ClusterOptions) => Cluster;
export const right: Make = (options) => new Cluster(options);

/** A cluster with a clock that stands still, and the calls that run there. */
export class World {
  nowMs = 0;
  readonly decisions: Decision[] = [];
  readonly cluster: Cluster;
  readonly marked = { unavailable: new Set<Endpoint>(), suspect: new Set<Endpoint>(), unready: new Set<Endpoint>() };
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

  mark(kind: "unavailable" | "suspect" | "unready", endpoint: Endpoint, isMarked: boolean): void {
    if (isMarked) this.marked[kind].add(endpoint);
    else this.marked[kind].delete(endpoint);
    if (kind === "unavailable") this.cluster.setAvailable(endpoint, !isMarked);
    if (kind === "suspect") this.cluster.setSuspect(endpoint, isMarked);
    if (kind === "unready") this.cluster.setUnready(endpoint, isMarked);
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

export const policies: fc.Arbitrary<ClusterPolicy> = fc.record({
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
    kind: fc.constantFrom("unavailable" as const, "suspect" as const, "unready" as const),
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
export const steps = fc.array(step, { minLength: 5, maxLength: 40, size: "max" });

export const instances = Array.from({ length: 8 }, (_, at) =>
  factsOf(`${at}`, { version: at % 3 === 0 ? "v2" : "v1", zone: `${at % 2}`, weight: 1 + (at % 2) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** Plays a history, and looks at each pick. */
export function play(world: World, plan: readonly Step[], onPick: (picked: Endpoint | undefined) => void): void {
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

/** How many instances each zone has: six at least, as fewer are not cut by zone. */
export const layouts = fc
  .array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 4 })
  .filter((sizes) => sizes.reduce((sum, size) => sum + size, 0) >= balancingDefaults.zoneMinInstances);

/** Many instances, few of a version, and subsets that are far smaller. */
export const canaries = fc.record({
  count: fc.integer({ min: 40, max: 60 }),
  size: fc.integer({ min: 4, max: 10 }),
  ofVersion: fc.integer({ min: 2, max: 3 }),
});

/** As many instances: so many of these versions, and the others of `v1`. */
export function manyOf(count: number, versions: Readonly<Record<string, number>>): EndpointFacts[] {
  const few = Object.entries(versions).flatMap(([version, times]) => Array<string>(times).fill(version));
  return Array.from({ length: count }, (_, at) => factsOf(`instance-${at}`, { version: few[at] ?? "v1" }));
}
