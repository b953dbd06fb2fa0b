/**
 * How one of the instances that may take a call is chosen. The first is the default, docs/adr/0023-balancing.md says why.
 *
 * - `p2c-ewma`: of two at random the one with the lower latency, or the fewer calls in flight when both answer alike
 * - `least-request`: of two at random the one with fewer calls in flight
 * - `round-robin`: in turn, whatever their weights
 * - `weighted-round-robin`: in turn, in proportion to weight and warm-up
 * - `consistent-hash`: the same key at the same instance, unless that has more than its share
 * - `sticky`: the same key at the same instance, whatever its load
 * - `random`: in proportion to weight and warm-up
 */
export type BalancingPolicy = (typeof balancingPolicies)[number];

/** Names of all policies. */
export const balancingPolicies = [
  "p2c-ewma",
  "least-request",
  "round-robin",
  "weighted-round-robin",
  "consistent-hash",
  "sticky",
  "random",
] as const;

/** The section `balancing` of a target's policy: plain JSON, every value optional, and hot. */
export interface BalancingOptions {
  /** Default `p2c-ewma`. */
  readonly policy?: BalancingPolicy;
  /**
   * Where calls get the key that `consistent-hash`, `sticky` and shares by version go by: a header of the call, or a
   * field of the request by its path in the contract (`user.id`), which whoever makes the call reads. Default: what the
   * caller says, else none.
   */
  readonly key?: { readonly header: string } | { readonly field: string };
  /** `consistent-hash`: how much more than the mean of calls in flight an instance takes. Above 1, default 1.25. */
  readonly loadBound?: number;
  /**
   * `p2c-ewma`: time constant with which a latency is forgotten that was high again and again, in milliseconds. One
   * that was high once is forgotten ten times as fast. Default 5,000.
   */
  readonly latencyDecayMs?: number;
  /** `p2c-ewma`: latencies within this factor of each other count as the same. At least 1, default 1.5. */
  readonly latencyTolerance?: number;
  /**
   * An instance that is new, or back from ejection, gets its weight little by little. Defaults: over 10 s, from a tenth,
   * linear (aggression 1; above 1 is faster at first). A window of 0 turns it off. As Envoy's slow start. With
   * `consistent-hash` it counts in the bound alone, with `sticky` not at all.
   */
  readonly warmUp?: WarmUpOptions;
  /** Below this share of connected instances that may take calls, all of them do. In [0, 1], default 0.5. */
  readonly panicShare?: number;
  /**
   * How many instances a caller keeps connections to, at least 1; each caller has others. Default 100, so that only large
   * clusters are cut: the fewer, the less even. So many of each version that gets calls of its own by a share or a route,
   * and of those for all other calls. Does not hold for policies by key, which need the same at every caller.
   */
  readonly subsetSize?: number;
  /**
   * From this many instances on, calls stay in the caller's zone as long as nobody has more load for it. Default 6; does
   * not hold for policies by key.
   */
  readonly zoneMinInstances?: number;
}

/** See {@link BalancingOptions.warmUp}. */
export interface WarmUpOptions {
  readonly windowMs?: number;
  readonly aggression?: number;
  /** In (0, 1]. */
  readonly minShare?: number;
}

/** What holds where a policy says nothing. */
export const balancingDefaults = {
  policy: "p2c-ewma",
  loadBound: 1.25,
  latencyDecayMs: 5_000,
  latencyTolerance: 1.5,
  warmUp: { windowMs: 10_000, aggression: 1, minShare: 0.1 },
  panicShare: 0.5,
  subsetSize: 100,
  zoneMinInstances: 6,
} as const satisfies BalancingOptions;

/** Options with every default filled in. */
export type FullBalancing = Required<Omit<BalancingOptions, "key" | "warmUp">> &
  Pick<BalancingOptions, "key"> & { readonly warmUp: Required<WarmUpOptions> };

/** Fills in what is not said. */
export function fullBalancing(options: BalancingOptions = {}): FullBalancing {
  return { ...balancingDefaults, ...options, warmUp: { ...balancingDefaults.warmUp, ...options.warmUp } };
}

/** Whether the policy goes by the key of a call, so that every caller has to choose among the same instances. */
export function isByKey(policy: BalancingPolicy): boolean {
  return policy === "consistent-hash" || policy === "sticky";
}
