import { type Balancer, only, type PickRequest } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * In turn, whatever their weights.
 *
 * - `B7` among the same instances, any n picks in a row are n different ones
 */
export class RoundRobin implements Balancer {
  #endpoints: readonly Endpoint[] = [];
  #next: number;

  /** Callers begin at different places: else many that start together would all call the same one. */
  constructor({ random }: { readonly random: () => number }) {
    this.#next = Math.floor(random() * 2 ** 16);
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
  }

  pick(_request: PickRequest, avoid?: ReadonlySet<Endpoint>): Endpoint {
    const count = this.#endpoints.length;
    for (let turn = 0; turn < count; turn += 1) {
      const endpoint = only(this.#endpoints[this.#next % count]);
      this.#next = (this.#next + 1) % count;
      if (avoid?.has(endpoint) !== true) return endpoint;
    }
    return only(this.#endpoints[this.#next % count]);
  }
}
