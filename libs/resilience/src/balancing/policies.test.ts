import { describeLaws, describeMutants } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import type { Endpoint } from "./endpoint.ts";
import { countOf, isLikely, law, subjectOf } from "./fixture.ts";
import { type BalancingPolicy, balancingPolicies } from "./options.ts";
import { makeBalancer } from "./policies.ts";
import {
  choosing,
  common,
  type Make,
  mutant,
  over,
  type PolicyLaw,
  seeds,
  twoChoices,
  weights,
} from "./policy-laws.ts";
import { RandomChoice } from "./random.ts";
import { RoundRobin } from "./round-robin.ts";

/** Those of `p2c-ewma` have a file of their own. */
const laws: Readonly<Record<Exclude<BalancingPolicy, "p2c-ewma">, readonly PolicyLaw[]>> = {
  "least-request": [...common, ...twoChoices],
  "round-robin": [
    ...common,
    law("B7 among the same instances, any n picks in a row are n different ones", (make) => {
      fc.assert(
        fc.property(seeds, weights, fc.nat(20), (seed, given, before) => {
          const { balancer } = over(make, seed, given);
          for (let pick = 0; pick < before; pick += 1) balancer.pick({ nowMs: 0 });
          expect(countOf(given.length, () => balancer.pick({ nowMs: 0 })).size).toBe(given.length);
        }),
      );
    }),
  ],
  "weighted-round-robin": [
    ...common,
    law(
      "B8 nobody is more than a turn ahead of the share of its weight, or one behind for each of the others",
      (make) => {
        fc.assert(
          fc.property(seeds, weights, fc.nat(10_000), (seed, given, nowMs) => {
            const { balancer, endpoints } = over(make, seed, given, 1);
            const total = endpoints.reduce((sum, endpoint) => sum + endpoint.weightAt(nowMs), 0);
            const counts = new Map<Endpoint, number>();
            for (let picks = 1; picks <= 100; picks += 1) {
              const picked = balancer.pick({ nowMs });
              counts.set(picked, (counts.get(picked) ?? 0) + 1);
              for (const endpoint of endpoints) {
                const ahead = (counts.get(endpoint) ?? 0) - (picks * endpoint.weightAt(nowMs)) / total;
                expect(ahead).toBeLessThanOrEqual(1 + 1e-9);
                expect(ahead).toBeGreaterThanOrEqual(-given.length);
              }
            }
          }),
        );
      },
    ),
  ],
  "consistent-hash": common,
  sticky: common,
  random: [
    ...common,
    law("B9 shares go by weight, within what chance explains", (make) => {
      fc.assert(
        fc.property(seeds, weights, fc.nat(10_000), (seed, given, nowMs) => {
          const { balancer, endpoints } = over(make, seed, given, 1);
          const total = endpoints.reduce((sum, endpoint) => sum + endpoint.weightAt(nowMs), 0);
          const counts = countOf(1000, () => balancer.pick({ nowMs }));
          for (const endpoint of endpoints) {
            expect(isLikely(counts.get(endpoint) ?? 0, endpoint.weightAt(nowMs) / total, 1000)).toBe(true);
          }
        }),
        { numRuns: 30 },
      );
    }),
  ],
};

for (const policy of balancingPolicies) {
  if (policy === "p2c-ewma") continue;
  const make: Make = ({ random, balancing }) => makeBalancer({ random, balancing: { ...balancing, policy } });
  describeLaws(policy, laws[policy], subjectOf(make));
}

describeMutants(
  "other policies: mutants",
  [...laws["round-robin"], ...laws["weighted-round-robin"], ...laws.random],
  [
    mutant("B7", "turns are by chance", (options) => new RandomChoice(options)),
    mutant("B8", "weights are by chance", (options) => new RandomChoice(options)),
    mutant("B8", "weights are not looked at", (options) => new RoundRobin(options)),
    mutant(
      "B9",
      "weights are not looked at",
      choosing((endpoints, _nowMs, random) => endpoints[Math.floor(random() * endpoints.length)]),
    ),
  ],
);
