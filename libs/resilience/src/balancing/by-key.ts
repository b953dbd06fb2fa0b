import { type Balancer, type BalancerOptions, only, type PickRequest, without } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";
import { hashText, mixHashes, unitOf } from "./hash.ts";
import { P2cEwma } from "./p2c-ewma.ts";

/**
 * The same key at the same instance, by weighted rendezvous hashing: every instance draws a number for the key, and the
 * highest one that may take the call has it (Thaler and Ravishankar 1998; weights: Schindelhauer and Schomaker 2005). Of
 * the two, `sticky` looks at nothing else; `consistent-hash` passes over those that have more than their share of the
 * calls in flight (Mirrokni, Thorup and Zadimoghaddam 2017). No table and no memory of keys: every caller comes to the
 * same instance. A pick looks at every one. Calls without a key are balanced by `p2c-ewma`.
 *
 * Warm-up bounds what a new instance takes of its keys, where there is a bound; the rest goes where those keys would go
 * without it. Draws leave it out: a weight that grows would move keys all the time. So does `sticky`: whom it kept from
 * their instance at first would move twice.
 *
 * - `K1` the same instances give the same one for a key, in whatever order they are listed
 * - `K2` when one goes, its keys alone move; when one comes, keys move to it alone
 * - `K3` keys are spread in proportion to weight, within what chance explains
 * - `K4` bounded: nobody gets a call beyond its share of all calls in flight (this one included) times the bound, rounded
 *   up; shares go by weight and warm-up
 */
export class ByKey implements Balancer {
  readonly #keyless: P2cEwma;
  readonly #bound: number;
  #endpoints: readonly Endpoint[] = [];
  #hashes = new Map<Endpoint, number>();

  /** @param bound for `consistent-hash`, above 1; without one, load is not looked at */
  constructor(options: BalancerOptions, bound = Infinity) {
    this.#keyless = new P2cEwma(options);
    this.#bound = bound;
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    this.#hashes = new Map(endpoints.map((endpoint) => [endpoint, hashText(endpoint.facts.id)]));
    this.#keyless.update(endpoints);
  }

  pick(request: PickRequest, avoid?: ReadonlySet<Endpoint>): Endpoint {
    if (request.key === undefined) return this.#keyless.pick(request, avoid);
    const from = without(this.#endpoints, avoid);
    const limit = this.#callsForWeight(from, request.nowMs);
    const key = hashText(request.key);
    let best: Endpoint | undefined;
    let highest = -1;
    for (const endpoint of from) {
      const { weight } = endpoint.facts;
      if (limit !== Infinity && endpoint.inFlight + 1 > Math.ceil(limit * endpoint.weightAt(request.nowMs))) continue;
      const drawn = unitOf(mixHashes(key, this.#hashes.get(endpoint) ?? 0));
      // Draws of weight w are as the highest of w draws.
      const draw = weight === 1 ? drawn : drawn ** (1 / weight);
      if (draw > highest) {
        best = endpoint;
        highest = draw;
      }
    }
    return only(best);
  }

  /** How many calls an instance may have in flight for each unit of the weight that it has by now. */
  #callsForWeight(from: readonly Endpoint[], nowMs: number): number {
    if (this.#bound === Infinity) return Infinity;
    let calls = 1;
    let weights = 0;
    for (const endpoint of from) {
      calls += endpoint.inFlight;
      weights += endpoint.weightAt(nowMs);
    }
    return (this.#bound * calls) / weights;
  }
}
