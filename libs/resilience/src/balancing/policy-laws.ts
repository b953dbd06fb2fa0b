import type { Law, Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import type { Balancer, BalancerOptions } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";
import { call, countOf, endpointsOf, isLikely, law, seededRandom, type Subject, subjectOf } from "./fixture.ts";
import { fullBalancing } from "./options.ts";

/** What the laws are held against. */
export type Make = (options: BalancerOptions) => Balancer;
export type PolicyLaw = Law<Subject<Make>>;

export const seeds = fc.integer();
export const weights = fc.array(fc.constantFrom(1, 1, 2, 5), { minLength: 1, maxLength: 6 });

/** A balancer over new endpoints. `cold`: as many of them warm up from time 0 on. */
export function over(
  make: Make,
  seed: number,
  given: readonly number[],
  cold = 0,
): { balancer: Balancer; endpoints: Endpoint[] } {
  const endpoints = endpointsOf(given);
  for (const endpoint of endpoints.slice(0, cold)) endpoint.startWarmUp(0, fullBalancing().warmUp);
  const balancer = make({ random: seededRandom(seed), balancing: fullBalancing() });
  balancer.update(endpoints, 0);
  return { balancer, endpoints };
}

/** Laws of every policy. */
export const common: readonly PolicyLaw[] = [
  law("B1 it picks one of the endpoints that it was last given", (make) => {
    const step = fc.record({ members: fc.uniqueArray(fc.nat(5), { minLength: 1 }), picks: fc.nat(8) });
    fc.assert(
      fc.property(seeds, fc.array(step), (seed, steps) => {
        const { balancer, endpoints } = over(make, seed, [1, 1, 2, 1, 5, 1]);
        for (const { members, picks } of steps) {
          const given = endpoints.filter((_, at) => members.includes(at));
          balancer.update(given, 0);
          for (let pick = 0; pick < picks; pick += 1) {
            const endpoint = balancer.pick({ nowMs: 0, key: `${pick}` });
            expect(given).toContain(endpoint);
            endpoint.begin(false, 0);
          }
        }
      }),
    );
  }),
  law("B2 it picks one of those to avoid only if there is no other", (make) => {
    fc.assert(
      fc.property(seeds, weights, fc.array(fc.nat(5)), fc.option(fc.string()), (seed, given, avoided, key) => {
        const { balancer, endpoints } = over(make, seed, given);
        const avoid = new Set(endpoints.filter((_, at) => avoided.includes(at)));
        for (let pick = 0; pick < 10; pick += 1) {
          const endpoint = balancer.pick({ nowMs: 0, key: key ?? undefined }, avoid);
          expect(avoid.has(endpoint)).toBe(avoid.size === endpoints.length);
        }
      }),
    );
  }),
  law("B3 whoever may be picked is, sooner or later, as long as calls end", (make) => {
    const past = fc.record({ tookMs: fc.integer({ min: 1, max: 10_000 }), fails: fc.boolean(), isCold: fc.boolean() });
    const pasts = fc.array(past, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(seeds, pasts, (seed, given) => {
        const { balancer, endpoints } = over(
          make,
          seed,
          given.map(() => 1),
        );
        given.forEach(({ tookMs, fails, isCold }, at) => {
          const endpoint = endpoints[at];
          if (endpoint === undefined) return;
          if (isCold) endpoint.startWarmUp(0, fullBalancing().warmUp);
          for (let turn = 0; turn < 20; turn += 1) call(endpoint, 0, tookMs, fails ? "failure" : "ok");
        });
        const seen = new Set<Endpoint>();
        for (let nowMs = 10_000; nowMs < 100_000 && seen.size < endpoints.length; nowMs += 50) {
          const endpoint = balancer.pick({ nowMs, key: `${nowMs}` });
          call(endpoint, nowMs, 5);
          seen.add(endpoint);
        }
        expect(seen.size).toBe(endpoints.length);
      }),
      { numRuns: 50 },
    );
  }),
];

/** Laws of those that look at two. */
export const twoChoices: readonly PolicyLaw[] = [
  law("B4 with everything else equal, it never picks the one with more calls in flight for its weight", (make) => {
    const loads = fc.array(fc.record({ weight: fc.constantFrom(1, 2, 5), inFlight: fc.nat(20) }), {
      minLength: 2,
      maxLength: 2,
    });
    fc.assert(
      fc.property(seeds, loads, (seed, given) => {
        const { balancer, endpoints } = over(
          make,
          seed,
          given.map(({ weight }) => weight),
        );
        given.forEach(({ inFlight }, at) => {
          for (let begun = 0; begun < inFlight; begun += 1) endpoints[at]?.begin(true, 0);
        });
        fc.pre(given[0]?.inFlight !== given[1]?.inFlight);
        const load = ({ inFlight, facts }: Endpoint): number => (inFlight + 1) / facts.weight;
        const picked = balancer.pick({ nowMs: 0 });
        for (const endpoint of endpoints) expect(load(picked)).toBeLessThanOrEqual(load(endpoint));
      }),
    );
  }),
  law("B5 among idle ones, shares go by weight", (make) => {
    const given = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 2, maxLength: 10 });
    fc.assert(
      fc.property(seeds, given, (seed, weights) => {
        const { balancer, endpoints } = over(make, seed, weights);
        const total = weights.reduce((sum, weight) => sum + weight, 0);
        const counts = countOf(1000, () => balancer.pick({ nowMs: 0 }));
        for (const endpoint of endpoints) {
          expect(isLikely(counts.get(endpoint) ?? 0, endpoint.facts.weight / total, 1000)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  }),
  law("B6 an instance that warms up gets at most the share of its weight that it has by now", (make) => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 5 }), fc.nat(10_000), (seed, others, nowMs) => {
        const { balancer, endpoints } = over(
          make,
          seed,
          Array.from({ length: others + 1 }, () => 1),
          1,
        );
        const [cold, ...warm] = endpoints;
        // The others are busy: a newcomer would be better nearly always.
        for (const endpoint of warm) for (let begun = 0; begun < 5; begun += 1) endpoint.begin(true, 0);
        const share = (2 / (others + 1)) * (cold?.warmthAt(nowMs) ?? 0);
        const count = countOf(1000, () => balancer.pick({ nowMs }) === cold).get(true) ?? 0;
        expect(count <= share * 1000 || isLikely(count, Math.min(1, share), 1000)).toBe(true);
      }),
      { numRuns: 30 },
    );
  }),
];

/** A balancer of which only the choice is wrong. */
export function choosing(
  choose: (endpoints: readonly Endpoint[], nowMs: number, random: () => number) => Endpoint | undefined,
): Make {
  return ({ random }) => {
    let endpoints: readonly Endpoint[] = [];
    return {
      update: (given) => void (endpoints = given),
      pick: ({ nowMs }) => {
        const picked = choose(endpoints, nowMs, random);
        if (picked === undefined) throw new RangeError("nobody");
        return picked;
      },
    };
  };
}

/** A balancer that breaks the law. */
export function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}
