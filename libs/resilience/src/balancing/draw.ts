import type { Endpoint } from "./endpoint.ts";

/**
 * Draws two of a list, the second without the first: each in proportion to its weight among those left. By their places,
 * so that a draw makes no objects; the sums of weights are made once for a list.
 */
export class Draw {
  readonly #count: number;
  /** The weight of all up to each; undefined when all have the same. */
  readonly #upTo: Float64Array | undefined;

  constructor(endpoints: readonly Endpoint[]) {
    this.#count = endpoints.length;
    const weight = endpoints[0]?.facts.weight;
    if (endpoints.every(({ facts }) => facts.weight === weight)) return;
    let sum = 0;
    this.#upTo = Float64Array.from(endpoints, ({ facts }) => (sum += facts.weight));
  }

  /** @param at in [0, 1) */
  first(at: number): number {
    const upTo = this.#upTo;
    return upTo === undefined ? Math.floor(at * this.#count) : this.#find(upTo, at * this.#before(upTo, this.#count));
  }

  /** Another one than `first`, where there are two. */
  second(at: number, first: number): number {
    const upTo = this.#upTo;
    if (upTo === undefined) return (first + 1 + Math.floor(at * (this.#count - 1))) % this.#count;
    const before = this.#before(upTo, first);
    const own = this.#before(upTo, first + 1) - before;
    const sum = at * (this.#before(upTo, this.#count) - own);
    const second = this.#find(upTo, sum < before ? sum : sum + own);
    // Only where sums were rounded.
    return second === first ? (first + 1) % this.#count : second;
  }

  #before(upTo: Float64Array, place: number): number {
    return upTo[place - 1] ?? 0;
  }

  /** The first that reaches beyond the sum. */
  #find(upTo: Float64Array, sum: number): number {
    let [low, high] = [0, this.#count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) <= sum) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
