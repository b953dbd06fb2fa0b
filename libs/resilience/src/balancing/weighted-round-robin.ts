import { type Balancer, only, type PickRequest, without } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * In turn, in proportion to weight and warm-up, and smoothly: nginx's way, in which each gains its weight at every pick
 * and the one picked pays for all (https://github.com/nginx/nginx/commit/52327e0627f49dbda1e8db695e63a4b0af4448b1).
 * A pick looks at every instance.
 *
 * - `B8` nobody is more than a turn ahead of the share of its weight, or one behind for each of the others
 */
export class WeightedRoundRobin implements Balancer {
  readonly #random: () => number;
  #endpoints: readonly Endpoint[] = [];
  /** What each has gained and not yet paid with a turn. */
  #credit = new Map<Endpoint, number>();

  constructor({ random }: { readonly random: () => number }) {
    this.#random = random;
  }

  update(endpoints: readonly Endpoint[], nowMs: number): void {
    const credit = this.#credit;
    this.#endpoints = endpoints;
    // Whoever is new begins somewhere within its turn, so that callers that start together don't go in step.
    this.#credit = new Map(
      endpoints.map((endpoint) => [endpoint, credit.get(endpoint) ?? -this.#random() * endpoint.weightAt(nowMs)]),
    );
  }

  pick({ nowMs }: PickRequest, avoid?: ReadonlySet<Endpoint>): Endpoint {
    let best: Endpoint | undefined;
    let bestCredit = -Infinity;
    let total = 0;
    for (const endpoint of without(this.#endpoints, avoid)) {
      const weight = endpoint.weightAt(nowMs);
      const credit = (this.#credit.get(endpoint) ?? 0) + weight;
      this.#credit.set(endpoint, credit);
      total += weight;
      if (credit > bestCredit) {
        best = endpoint;
        bestCredit = credit;
      }
    }
    const picked = only(best);
    this.#credit.set(picked, bestCredit - total);
    return picked;
  }
}
