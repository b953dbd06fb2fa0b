import type { EndpointFacts } from "./endpoint.ts";
import { hashText, mixHashes } from "./hash.ts";

/**
 * The instances that one caller of a large cluster keeps connections to, chosen by rendezvous hashing of both ids, as
 * gRPC's `random_subsetting` (gRFC A68) does: no caller has to know how many others there are.
 *
 * - `S1` as many as asked for, or all when there are fewer; always the same ones for one caller and list, in any order
 * - `S2` a change of the list by one instance changes a subset by one at most
 * - `S3` instances are in equally many subsets, within what chance explains
 */
export function subsetOf(listed: readonly EndpointFacts[], caller: string, size: number): readonly EndpointFacts[] {
  if (listed.length <= size) return listed;
  const seed = hashText(caller);
  return listed
    .map((facts) => ({ facts, draw: mixHashes(seed, hashText(facts.id)) }))
    .sort((one, other) => other.draw - one.draw || (one.facts.id < other.facts.id ? -1 : 1))
    .slice(0, size)
    .map(({ facts }) => facts);
}
