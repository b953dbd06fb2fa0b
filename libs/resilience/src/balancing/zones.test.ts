import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Endpoint } from "./endpoint.ts";
import { factsOf, law, type Subject, subjectOf } from "./fixture.ts";
import { zoneShares, type ZoneShare } from "./zones.ts";

type Shares = typeof zoneShares;

/** For each zone, the weights of its instances. */
const layouts = fc.array(fc.array(fc.constantFrom(1, 2, 5), { minLength: 1, maxLength: 5 }), {
  minLength: 2,
  maxLength: 5,
});

function laidOut(layout: readonly (readonly number[])[]): Endpoint[] {
  return layout.flatMap((weights, zone) =>
    weights.map((weight, at) => new Endpoint(factsOf(`${zone}-${at}`, { weight, zone: `${zone}` }), 0)),
  );
}

const weightOf = (endpoints: readonly Endpoint[]): number =>
  endpoints.reduce((sum, { facts }) => sum + facts.weight, 0);
const zoneOf = (share: ZoneShare | undefined): string => share?.endpoints[0]?.facts.zone ?? "";
const partOf = (shares: readonly ZoneShare[], at: number): number =>
  (shares[at]?.upTo ?? 0) - (shares[at - 1]?.upTo ?? 0);

const laws = [
  law<Shares>("Z1 all calls stay when the own zone has its share of the weight or more", (sharesOf) => {
    fc.assert(
      fc.property(layouts, (layout) => {
        const endpoints = laidOut(layout);
        const mean = weightOf(endpoints) / layout.length;
        layout.forEach((weights, zone) => {
          if (weights.reduce((sum, weight) => sum + weight, 0) < mean) return;
          const shares = sharesOf(endpoints, `${zone}`) ?? [];
          expect(shares).toHaveLength(1);
          expect([zoneOf(shares[0]), shares[0]?.upTo]).toEqual([`${zone}`, 1]);
        });
      }),
    );
  }),
  law<Shares>(
    "Z2 when callers of all zones go by this, every instance has the same load for its weight",
    (sharesOf) => {
      fc.assert(
        fc.property(layouts, (layout) => {
          const endpoints = laidOut(layout);
          const load = new Map<string, number>();
          layout.forEach((_, zone) => {
            const shares = sharesOf(endpoints, `${zone}`) ?? [];
            expect(shares.at(-1)?.upTo).toBeCloseTo(1, 9);
            shares.forEach((share, at) => load.set(zoneOf(share), (load.get(zoneOf(share)) ?? 0) + partOf(shares, at)));
          });
          layout.forEach((weights, zone) => {
            const share = weights.reduce((sum, weight) => sum + weight, 0) / weightOf(endpoints);
            expect((load.get(`${zone}`) ?? 0) / layout.length).toBeCloseTo(share, 9);
          });
        }),
      );
    },
  ),
  law<Shares>("Z3 nothing goes to a zone that has less than its share, but from its own callers", (sharesOf) => {
    fc.assert(
      fc.property(layouts, (layout) => {
        const endpoints = laidOut(layout);
        const mean = weightOf(endpoints) / layout.length;
        layout.forEach((_, zone) => {
          for (const share of (sharesOf(endpoints, `${zone}`) ?? []).slice(1)) {
            expect(weightOf(share.endpoints)).toBeGreaterThan(mean);
          }
        });
      }),
    );
  }),
];

describeLaws("zones", laws, subjectOf(zoneShares));

function mutant(breaks: string, fault: string, shares: Shares): Mutant<Subject<Shares>> {
  return { breaks, fault, open: subjectOf(shares) };
}

/** The own zone first, and the others as `part` says. */
const spilling =
  (kept: (share: number) => number, isTaken: (share: number) => boolean): Shares =>
  (endpoints, zone) => {
    const zones = [...Map.groupBy(endpoints, ({ facts }) => facts.zone)];
    const capacity = (members: readonly Endpoint[]): number => (weightOf(members) / weightOf(endpoints)) * zones.length;
    const own = zones.find(([name]) => name === zone)?.[1] ?? [];
    let upTo = Math.min(1, kept(capacity(own)));
    const others = zones.filter(([name, members]) => name !== zone && isTaken(capacity(members)));
    const step = (1 - upTo) / others.length;
    if (upTo === 1) return [{ endpoints: own, upTo }];
    return [{ endpoints: own, upTo }, ...others.map(([, members]) => ({ endpoints: members, upTo: (upTo += step) }))];
  };

describeMutants("zones: mutants", laws, [
  mutant(
    "Z1",
    "some calls always leave",
    spilling(
      (share) => share * 0.9,
      () => true,
    ),
  ),
  mutant(
    "Z2",
    "nothing leaves",
    spilling(
      () => 1,
      () => true,
    ),
  ),
  mutant(
    "Z2",
    "others are equal, whatever they have left",
    spilling(
      (share) => share,
      (share) => share > 1,
    ),
  ),
  mutant(
    "Z3",
    "small zones take from others",
    spilling(
      (share) => share,
      () => true,
    ),
  ),
]);

test("zones make no difference to a caller without one, or with all or none of the instances in its own", () => {
  const endpoints = laidOut([[1], [1]]);
  expect(zoneShares(endpoints, undefined)).toBeUndefined();
  expect(zoneShares(endpoints, "elsewhere")).toBeUndefined();
  expect(zoneShares(laidOut([[1, 1]]), "0")).toBeUndefined();
});
