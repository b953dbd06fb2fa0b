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
  const { zone, client, ...parts } = options;
  return {
    cluster: new Cluster({ ...parts, caller: { id: client, zone }, policy }),
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

/** All that are compared, in the order of the page: without a mesh, each policy, and the default with a part added or taken away. */
export const contestants: readonly Contestant[] = [
  plain,
  ...balancingPolicies.map((policy: BalancingPolicy) => mesh(policy, { balancing: { policy } })),
  mesh("p2c-ewma, hedged", { hedging: { methods: ["*"] } }),
  { ...mesh("p2c-ewma, no ejection", { outliers: { enabled: false } }), onlyIn: ["failing", "failing-3"] },
  { ...mesh("p2c-ewma, no limiter", { concurrency: "none" }), onlyIn: ["overload"] },
];

/** Those that a scenario tells something about. */
export function contestantsOf(scenario: string): readonly Contestant[] {
  return contestants.filter(({ onlyIn }) => onlyIn === undefined || onlyIn.includes(scenario));
}
