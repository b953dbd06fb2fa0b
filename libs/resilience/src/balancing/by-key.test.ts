import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import type { Balancer } from "./balancer.ts";
import { ByKey } from "./by-key.ts";
import type { Endpoint } from "./endpoint.ts";
import { countOf, endpointsOf, isLikely, law, seededRandom, type Subject, subjectOf } from "./fixture.ts";
import { hashText } from "./hash.ts";
import { fullBalancing } from "./options.ts";
import { RandomChoice } from "./random.ts";

/** @param bound none is sticky */
type Make = (bound?: number) => Balancer;

const options = { random: seededRandom(1), balancing: fullBalancing() };
const right: Make = (bound) => new ByKey(options, bound);
const weights = fc.array(fc.constantFrom(1, 1, 2, 5), { minLength: 2, maxLength: 8 });
const keys = Array.from({ length: 1000 }, (_, at) => `key-${at}`);

/** Where each key goes. */
function placed(balancer: Balancer, endpoints: readonly Endpoint[]): (Endpoint | undefined)[] {
  balancer.update(endpoints, 0);
  return keys.map((key) => balancer.pick({ nowMs: 0, key }));
}

const laws = [
  law<Make>("K1 the same instances give the same one for a key, in whatever order they are listed", (make) => {
    fc.assert(
      fc.property(weights, (given) => {
        const endpoints = endpointsOf(given);
        expect(placed(make(), endpoints.toReversed())).toEqual(placed(make(), endpoints));
      }),
      { numRuns: 20 },
    );
  }),
  law<Make>("K2 when one goes, its keys alone move; when one comes, keys move to it alone", (make) => {
    fc.assert(
      fc.property(weights, fc.nat(7), (given, at) => {
        const endpoints = endpointsOf(given);
        const one = endpoints[at % endpoints.length];
        const balancer = make();
        const before = placed(balancer, endpoints);
        const without = placed(
          balancer,
          endpoints.filter((endpoint) => endpoint !== one),
        );
        expect(before.filter((endpoint, key) => endpoint !== one && endpoint !== without[key])).toEqual([]);
        expect(placed(balancer, endpoints)).toEqual(before);
      }),
      { numRuns: 20 },
    );
  }),
  law<Make>("K3 keys are spread in proportion to weight, within what chance explains", (make) => {
    fc.assert(
      fc.property(weights, fc.string(), (given, prefix) => {
        const endpoints = endpointsOf(given);
        const balancer = make();
        balancer.update(endpoints, 0);
        let key = 0;
        const counts = countOf(2000, () => balancer.pick({ nowMs: 0, key: `${prefix}${(key += 1)}` }));
        const total = given.reduce((sum, weight) => sum + weight, 0);
        for (const endpoint of endpoints) {
          expect(isLikely(counts.get(endpoint) ?? 0, endpoint.facts.weight / total, 2000)).toBe(true);
        }
      }),
      { numRuns: 30 },
    );
  }),
  law<Make>("K4 nobody gets a call beyond its share of all calls in flight times the bound, rounded up", (make) => {
    const bounds = fc.double({ min: 1.01, max: 3, noNaN: true });
    const step = fc.record({ key: fc.nat(3), ends: fc.boolean(), afterMs: fc.nat(300) });
    const steps = fc.array(step, { maxLength: 100, size: "max" });
    fc.assert(
      fc.property(weights, bounds, fc.nat(8), steps, (given, bound, cold, plan) => {
        const endpoints = endpointsOf(given);
        for (const endpoint of endpoints.slice(0, cold)) endpoint.startWarmUp(0, options.balancing.warmUp);
        const balancer = make(bound);
        balancer.update(endpoints, 0);
        const running: Endpoint[] = [];
        let nowMs = 0;
        for (const { key, ends, afterMs } of plan) {
          nowMs += afterMs;
          if (ends) running.shift()?.end("ok", 1, nowMs, 1000);
          const endpoint = balancer.pick({ nowMs, key: `${key}` });
          endpoint.begin(false, nowMs);
          running.push(endpoint);
          const total = endpoints.reduce((sum, one) => sum + one.weightAt(nowMs), 0);
          const limit = Math.ceil((bound * running.length * endpoint.weightAt(nowMs)) / total);
          expect(endpoint.inFlight).toBeLessThanOrEqual(limit);
        }
      }),
    );
  }),
];

describeLaws("policies by key", laws, subjectOf(right));

/** Chooses by the place in the list. */
function byPlace(place: (key: string, count: number) => number, order?: (endpoints: Endpoint[]) => Endpoint[]): Make {
  return () => {
    let endpoints: readonly Endpoint[] = [];
    return {
      update: (given) => void (endpoints = order?.([...given]) ?? given),
      pick: ({ key = "" }) => {
        const endpoint = endpoints[place(key, endpoints.length)];
        if (endpoint === undefined) throw new RangeError("nobody");
        return endpoint;
      },
    };
  };
}

/** As ever, but for warm-up. */
const cold: Make = (bound) => {
  const balancer = right(bound);
  const own = new Map<Endpoint, Endpoint>();
  return {
    update: (endpoints, nowMs) => {
      own.clear();
      for (const endpoint of endpoints) {
        const warm: Endpoint = Object.create(endpoint, { weightAt: { value: () => endpoint.facts.weight } });
        own.set(warm, endpoint);
      }
      balancer.update([...own.keys()], nowMs);
    },
    pick: (request) => {
      const endpoint = own.get(balancer.pick(request));
      if (endpoint === undefined) throw new RangeError("nobody");
      return endpoint;
    },
  };
};

const byId = (endpoints: Endpoint[]): Endpoint[] => endpoints.toSorted((a, b) => (a.facts.id < b.facts.id ? -1 : 1));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

describeMutants("policies by key: mutants", laws, [
  mutant(
    "K1",
    "the place in the list counts",
    byPlace((key, count) => hashText(key) % count),
  ),
  mutant("K1", "it is chance", () => new RandomChoice(options)),
  mutant(
    "K2",
    "a hash is taken modulo the number of instances",
    byPlace((key, count) => hashText(key) % count, byId),
  ),
  mutant(
    "K3",
    "the hash spreads badly",
    byPlace((key, count) => key.length % count, byId),
  ),
  mutant(
    "K3",
    "weights are not looked at",
    byPlace((key, count) => hashText(key) % count, byId),
  ),
  mutant("K4", "load is not looked at", () => right()),
  mutant("K4", "warm-up is not looked at", cold),
  mutant("K4", "the bound is not the one given", (bound) => right(bound === undefined ? undefined : bound * 2)),
]);
