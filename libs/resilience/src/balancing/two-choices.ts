import { type Balancer, type BalancerOptions, only, type PickRequest, without } from "./balancer.ts";
import { Draw } from "./draw.ts";
import type { Endpoint } from "./endpoint.ts";

/** How much dearer the first of two instances is than the other, beside the calls that run there. */
export type PriceRatio = (one: Endpoint, other: Endpoint, nowMs: number) => number;

/**
 * Two at random, drawn by weight; the one with less to do for its weight wins (power of two choices: Mitzenmacher 2001),
 * where a price counts as much as calls in flight.
 *
 * - `B4` with everything else equal, it never picks the one with more calls in flight for its weight
 * - `B5` among idle ones, shares go by weight
 * - `B6` an instance that warms up gets at most the share of its weight that it has by now
 */
export class TwoChoices implements Balancer {
  readonly #random: () => number;
  readonly #priceRatio: PriceRatio;
  #endpoints: readonly Endpoint[] = [];
  #draw = new Draw([]);

  constructor({ random }: Pick<BalancerOptions, "random">, priceRatio: PriceRatio = () => 1) {
    this.#random = random;
    this.#priceRatio = priceRatio;
  }

  update(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints;
    this.#draw = new Draw(endpoints);
  }

  pick({ nowMs }: PickRequest, avoid?: ReadonlySet<Endpoint>): Endpoint {
    const from = without(this.#endpoints, avoid);
    if (from.length < 2) return only(from[0]);
    const draw = from === this.#endpoints ? this.#draw : new Draw(from);
    const first = draw.first(this.#random());
    const one = only(from[first]);
    const other = only(from[draw.second(this.#random(), first)]);
    return this.#isBetter(one, other, nowMs)
      ? this.#unlessCold(one, other, nowMs)
      : this.#unlessCold(other, one, nowMs);
  }

  /** Whether the first one drawn wins. It does when all is equal: so shares are those that the first is drawn by. */
  #isBetter(one: Endpoint, other: Endpoint, nowMs: number): boolean {
    const price = this.#priceRatio(one, other, nowMs);
    if (price === 1 && one.inFlight === other.inFlight) return true;
    return price * (one.inFlight + 1) * other.facts.weight <= (other.inFlight + 1) * one.facts.weight;
  }

  /** An idle newcomer would win nearly always: what it may take is bounded by how warm it is beside the other. */
  #unlessCold(better: Endpoint, other: Endpoint, nowMs: number): Endpoint {
    const warmth = better.warmthAt(nowMs);
    const otherWarmth = other.warmthAt(nowMs);
    return warmth >= otherWarmth || this.#random() * otherWarmth < warmth ? better : other;
  }
}
