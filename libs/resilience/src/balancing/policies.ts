import type { Balancer, BalancerOptions } from "./balancer.ts";
import { ByKey } from "./by-key.ts";
import type { BalancingPolicy } from "./options.ts";
import { P2cEwma } from "./p2c-ewma.ts";
import { RandomChoice } from "./random.ts";
import { RoundRobin } from "./round-robin.ts";
import { TwoChoices } from "./two-choices.ts";
import { WeightedRoundRobin } from "./weighted-round-robin.ts";

const makers: Record<BalancingPolicy, (options: BalancerOptions) => Balancer> = {
  "p2c-ewma": (options) => new P2cEwma(options),
  "least-request": (options) => new TwoChoices(options),
  "round-robin": (options) => new RoundRobin(options),
  "weighted-round-robin": (options) => new WeightedRoundRobin(options),
  "consistent-hash": (options) => new ByKey(options, options.balancing.loadBound),
  sticky: (options) => new ByKey(options),
  random: (options) => new RandomChoice(options),
};

/** A balancer of the policy that the options name. */
export function makeBalancer(options: BalancerOptions): Balancer {
  return makers[options.balancing.policy](options);
}
