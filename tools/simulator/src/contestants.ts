import {
  Admission,
  type BalancingPolicy,
  balancingPolicies,
  Breakers,
  type BreakerOptions,
  Cluster,
  type ClusterPolicy,
  type ConcurrencyOptions,
  Hedges,
  type HedgingOptions,
  Retries,
  type RetryOptions,
} from "@weft/resilience";
import { PlainRoundRobin } from "./plain.ts";
import type { Deciders } from "./world/client.ts";
import type { Scenario } from "./simulate.ts";
import type { Contestant, DeciderOptions } from "./world/world.ts";

/** What a contestant does otherwise than the defaults. */
export interface Policy extends ClusterPolicy {
  readonly retry?: RetryOptions;
  readonly breaker?: BreakerOptions;
  readonly hedging?: HedgingOptions;
  /** Of the instances. */
  readonly concurrency?: ConcurrencyOptions | "none";
}

/** Client and server of the mesh with its defaults, but for what the policy says. */
export function mesh(name: string, policy: Policy = {}): Contestant {
  const { concurrency = {} } = policy;
  return {
    name,
    newDeciders: (options) => decidersOf(options, policy),
    ...(concurrency !== "none" && { newLimiter: (isSaturated) => new Admission(concurrency, isSaturated) }),
  };
}

/** What decides in a process of the mesh. */
export function decidersOf(options: DeciderOptions, policy: Policy): Deciders {
  const { retry = {}, breaker = {}, hedging = {} } = policy;
  const { zone, client, versions, ...parts } = options;
  return {
    cluster: new Cluster({ ...parts, caller: { id: client, zone }, policy: { ...versions, ...policy } }),
    retries: new Retries({ ...parts, options: retry }),
    breakers: new Breakers({ ...parts, options: breaker }),
    hedges: new Hedges({ ...parts, options: hedging }),
  };
}

/** A client without a mesh. */
export const plain: Contestant = {
  name: "plain",
  newDeciders: (options) => ({
    ...decidersOf(options, { retry: { maxTries: 1 }, breaker: { enabled: false } }),
    cluster: new PlainRoundRobin(options),
  }),
};

/** One thing set otherwise, in the scenarios where that shows. */
const variants: readonly Contestant[] = [
  variant("tolerance of 3", ["slow-3", "slower-3"], { balancing: { latencyTolerance: 3 } }),
  variant("tolerance of 5", ["slow-3", "slower-3"], { balancing: { latencyTolerance: 5 } }),
  variant("decay over 10 s", ["slow-3", "stalls-3"], { balancing: { latencyDecayMs: 10_000 } }),
  variant("no ejection", ["failing", "failing-3"], { outliers: { enabled: false } }),
  variant("ejection after 3", ["failing-3"], { outliers: { consecutiveFailures: 3 } }),
  variant("ejection after 10", ["failing-3"], { outliers: { consecutiveFailures: 10 } }),
  variant("ejection for 30 s", ["hiccup-3"], { outliers: { baseEjectionMs: 30_000 } }),
  variant("no warm-up", ["cold"], { balancing: { warmUp: { windowMs: 0 } } }),
  weighted("no warm-up", 0),
  weighted("warm-up over 30 s", 30_000),
  variant("hedged late", ["slow", "slow-3"], { hedging: { methods: ["*"], quantile: 0.99 } }),
  variant("no limiter", ["overload"], { concurrency: "none" }),
  variant("subsets of 50", ["large"], { balancing: { subsetSize: 50 } }),
  variant("subsets of 20", ["large", "crowd"], { balancing: { subsetSize: 20 } }),
];

/**
 * All that are compared, in the order of the page: without a mesh, each policy, and then, where it makes a difference,
 * the default with a part added, taken away or set otherwise.
 */
export const contestants: readonly Contestant[] = [
  plain,
  ...balancingPolicies.map((policy: BalancingPolicy) => mesh(policy, { balancing: { policy } })),
  mesh("p2c-ewma, hedged", { hedging: { methods: ["*"] } }),
  ...variants,
];

/** Those that a scenario tells something about. */
export function contestantsOf({ name, only }: Pick<Scenario, "name" | "only">): readonly Contestant[] {
  return contestants.filter(
    (contestant) => contestant.onlyIn?.includes(name) ?? (only === undefined || only.includes(contestant.name)),
  );
}

/** The default policy with something set otherwise, in the scenarios where that shows. */
function variant(what: string, onlyIn: readonly string[], policy: Policy): Contestant {
  return { ...mesh(`p2c-ewma, ${what}`, policy), onlyIn };
}

/** Weighted round robin, where a new instance gets its weight over so long. */
function weighted(what: string, windowMs: number): Contestant {
  const balancing = { policy: "weighted-round-robin", warmUp: { windowMs } } as const;
  return { ...mesh(`weighted, ${what}`, { balancing }), onlyIn: ["cold"] };
}
