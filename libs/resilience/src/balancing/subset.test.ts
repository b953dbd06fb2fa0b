import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import type { EndpointFacts } from "./endpoint.ts";
import { factsOf, isLikely, law, type Subject, subjectOf } from "./fixture.ts";
import { hashText } from "./hash.ts";
import { subsetOf } from "./subset.ts";

type SubsetOf = typeof subsetOf;

const listOf = (count: number): EndpointFacts[] => Array.from({ length: count }, (_, at) => factsOf(`instance-${at}`));
const idsOf = (list: readonly EndpointFacts[]): Set<string> => new Set(list.map(({ id }) => id));
const count = fc.nat(60);
const size = fc.integer({ min: 1, max: 25 });

const laws = [
  law<SubsetOf>("S1 as many as asked for, always the same ones for one caller and list, in any order", (of) => {
    fc.assert(
      fc.property(count, size, fc.string(), (all, wanted, caller) => {
        const list = listOf(all);
        const subset = of(list, caller, wanted);
        expect(idsOf(subset).size).toBe(Math.min(all, wanted));
        expect(subset).toHaveLength(Math.min(all, wanted));
        expect(idsOf(of(list.toReversed(), caller, wanted))).toEqual(idsOf(subset));
      }),
    );
  }),
  law<SubsetOf>("S2 a change of the list by one instance changes a subset by one at most", (of) => {
    fc.assert(
      fc.property(count, size, fc.string(), fc.nat(60), (all, wanted, caller, gone) => {
        const list = listOf(all + 1);
        const before = idsOf(of(list, caller, wanted));
        const after = idsOf(of(list.toSpliced(gone % list.length, 1), caller, wanted));
        expect([...before].filter((id) => !after.has(id)).length).toBeLessThanOrEqual(1);
        expect([...after].filter((id) => !before.has(id)).length).toBeLessThanOrEqual(1);
      }),
    );
  }),
  law<SubsetOf>("S3 instances are in equally many subsets, within what chance explains", (of) => {
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 20 }), (prefix, wanted) => {
        const list = listOf(40);
        const counts = new Map(list.map(({ id }) => [id, 0]));
        for (let caller = 0; caller < 400; caller += 1) {
          for (const { id } of of(list, `${prefix}${caller}`, wanted)) counts.set(id, (counts.get(id) ?? 0) + 1);
        }
        for (const callers of counts.values()) expect(isLikely(callers, wanted / 40, 400)).toBe(true);
      }),
      { numRuns: 10 },
    );
  }),
];

describeLaws("subsets", laws, subjectOf(subsetOf));

function mutant(breaks: string, fault: string, of: SubsetOf): Mutant<Subject<SubsetOf>> {
  return { breaks, fault, open: subjectOf(of) };
}

/** Instances one after another, from a place that the caller's id gives. */
const stretch: SubsetOf = (listed, caller, wanted) => {
  if (listed.length <= wanted) return listed;
  const sorted = listed.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  const from = hashText(caller) % sorted.length;
  return [...sorted.slice(from), ...sorted.slice(0, from)].slice(0, wanted);
};

describeMutants("subsets: mutants", laws, [
  mutant("S1", "one is missing", (listed, caller, wanted) => subsetOf(listed, caller, wanted - 1)),
  mutant("S1", "the order of the list counts", (listed, _caller, wanted) => listed.slice(0, wanted)),
  mutant("S2", "places are counted modulo the number of instances", stretch),
  mutant("S3", "every caller has the same ones", (listed, _caller, wanted) => subsetOf(listed, "", wanted)),
]);
