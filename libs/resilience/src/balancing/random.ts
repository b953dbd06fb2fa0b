import { type Balancer, only, type PickRequest, without } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * At random, in proportion to weight and warm-up.
 *
 * - `B9` shares go by weight, within what chance explains
 */
export class RandomChoice implements Balancer {
  readonly #random: () => number;
  #endpoints: readonly Endpoint[] = [];

  constructor({ random }: { readonly random: () => number }) {
    this.#random = random;
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
  }

  pick({ nowMs }: PickRequest, avoid?: ReadonlySet<Endpoint>): Endpoint {
    const from = without(this.#endpoints, avoid);
    let total = 0;
    for (const endpoint of from) total += endpoint.weightAt(nowMs);
    let at = this.#random() * total;
    for (const endpoint of from) {
      at -= endpoint.weightAt(nowMs);
      if (at < 0) return endpoint;
    }
    return only(from.at(-1));
  }
}
