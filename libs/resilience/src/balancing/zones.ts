import type { Endpoint } from "./endpoint.ts";

/** A part of the calls that goes to one zone. */
export interface ZoneShare {
  readonly endpoints: readonly Endpoint[];
  /** Where its part of [0, 1) ends; the first is the caller's own. */
  readonly upTo: number;
}

/**
 * How a caller's calls are spread over zones: as many as possible to its own, as long as no instance anywhere has more
 * load than the mean for it. What the own zone can't take goes to zones in proportion to what they have left over, as in
 * Envoy's zone-aware routing. Callers are taken to be spread evenly over the zones that have instances, as nobody tells
 * how they are.
 *
 * - `Z1` all calls stay when the own zone has its share of the weight or more
 * - `Z2` when callers of all zones go by this, every instance has the same load for its weight
 * - `Z3` nothing goes to a zone that has less than its share, but from its own callers
 *
 * @returns undefined where zones make no difference: a caller that has none, or has no instance or all of them in it
 */
export function zoneShares(endpoints: readonly Endpoint[], zone: string | undefined): readonly ZoneShare[] | undefined {
  const zones = new Map<string, Endpoint[]>();
  for (const endpoint of endpoints) {
    const name = endpoint.facts.zone ?? "";
    const members = zones.get(name);
    if (members === undefined) zones.set(name, [endpoint]);
    else members.push(endpoint);
  }
  const own = zone === undefined ? undefined : zones.get(zone);
  if (zone === undefined || own === undefined || zones.size < 2) return undefined;
  const total = weightOf(endpoints);
  const count = zones.size;
  /** What a zone can take, where 1 is what its own callers ask for. */
  const capacityOf = (members: readonly Endpoint[]): number => (weightOf(members) / total) * count;
  const kept = Math.min(1, capacityOf(own));
  zones.delete(zone);
  const others = [...zones.values()].map((members) => ({ members, left: Math.max(0, capacityOf(members) - 1) }));
  const left = others.reduce((sum, other) => sum + other.left, 0);
  if (kept >= 1 || left <= 0) return [{ endpoints: own, upTo: 1 }];
  let upTo = kept;
  const shares = others
    .filter((other) => other.left > 0)
    .map((other) => ({ endpoints: other.members, upTo: (upTo += ((1 - kept) * other.left) / left) }));
  return [{ endpoints: own, upTo: kept }, ...shares];
}

function weightOf(endpoints: readonly Endpoint[]): number {
  return endpoints.reduce((sum, { facts }) => sum + facts.weight, 0);
}
