import type { Endpoint } from "./endpoint.ts";
import type { FullBalancing } from "./options.ts";

/** What a balancer may know of the call that it places. */
export interface PickRequest {
  /** Monotonic milliseconds. */
  readonly nowMs: number;
  /** What calls that belong together share: hashed, or stuck to an instance, by the policies that do so. */
  readonly key?: string | undefined;
}

/**
 * A load-balancing policy: chooses one of the endpoints that may take the call. It keeps no list of its own beyond what
 * it derives from `update`, and asks no clock: the simulator runs the very same code.
 *
 * Laws of every policy:
 *
 * - `B1` it picks one of the endpoints that it was last given
 * - `B2` it picks one of those to avoid only if there is no other
 * - `B3` whoever may be picked is, sooner or later, as long as calls end (policies by key: by some key)
 */
export interface Balancer {
  /** The endpoints to choose from, whenever they change: never empty when `pick` is called. */
  update(endpoints: readonly Endpoint[], nowMs: number): void;
  /** One of them. `avoid`: those that failed this very call already, taken only if there is no other. */
  pick(request: PickRequest, avoid?: ReadonlySet<Endpoint>): Endpoint;
}

/** What a balancer is made of. */
export interface BalancerOptions {
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly balancing: FullBalancing;
}

/** Those that are not to be avoided, or all when that leaves none. Calls that were not tried before cost nothing here. */
export function without(endpoints: readonly Endpoint[], avoid: ReadonlySet<Endpoint> | undefined): readonly Endpoint[] {
  if (avoid === undefined || avoid.size === 0) return endpoints;
  const others = endpoints.filter((endpoint) => !avoid.has(endpoint));
  return others.length > 0 ? others : endpoints;
}

/** For lists that callers promise not to be empty. */
export function only(endpoint: Endpoint | undefined): Endpoint {
  if (endpoint === undefined) throw new RangeError("there is nothing to pick from");
  return endpoint;
}
