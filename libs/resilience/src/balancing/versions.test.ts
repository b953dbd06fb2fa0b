import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { countOf, isLikely, law, seededRandom, type Subject, subjectOf } from "./fixture.ts";
import { hashText, unitOf } from "./hash.ts";
import { type RouteOptions, type SplitOptions, Versions } from "./versions.ts";

/** Which version a call goes to. */
interface Sharing {
  share(key: string | undefined, random: () => number): string | undefined;
}
type Make = (split: SplitOptions) => Sharing;

const right: Make = (split) => new Versions(split);
const percent = fc.integer({ min: 0, max: 50 });
const calls = 2000;

const names = ["canary", "beta", "alpha"];
/** Shares of one to three versions, with a rest and without. */
const splits: fc.Arbitrary<SplitOptions> = fc
  .record({ cuts: fc.array(fc.nat(100), { minLength: 1, maxLength: 3 }), isWhole: fc.boolean() })
  .map(({ cuts, isWhole }) => {
    const ends = (isWhole ? [100, ...cuts.slice(1)] : cuts).toSorted((one, other) => one - other);
    return Object.fromEntries(ends.map((end, at) => [names[at], end - (ends[at - 1] ?? 0)]));
  });
/** Users whose names begin alike. */
const usersOf = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${prefix}${at}`);
const never = (): number => 0.999;

/** How many times its share before the share of a version is after; of the rest for undefined. */
function growth(before: SplitOptions, after: SplitOptions, version: string | undefined): number {
  const shareOf = (split: SplitOptions): number =>
    version === undefined ? 100 - Object.values(split).reduce((sum, share) => sum + share, 0) : (split[version] ?? 0);
  return shareOf(after) / shareOf(before);
}

const laws = [
  law<Make>("V1 each version gets its share of calls, with or without keys, within what chance explains", (make) => {
    fc.assert(
      fc.property(fc.integer(), percent, percent, fc.boolean(), (seed, canary, beta, hasKeys) => {
        const random = seededRandom(seed);
        const versions = make({ canary, beta });
        const counts = countOf(calls, () => versions.share(hasKeys ? `user-${random()}` : undefined, random));
        expect(isLikely(counts.get("canary") ?? 0, canary / 100, calls)).toBe(true);
        expect(isLikely(counts.get("beta") ?? 0, beta / 100, calls)).toBe(true);
      }),
      { numRuns: 30 },
    );
  }),
  law<Make>("V2 calls with one key get one version, whatever chance says", (make) => {
    fc.assert(
      fc.property(fc.integer(), percent, fc.string(), (seed, canary, key) => {
        const versions = make({ canary });
        expect(countOf(20, () => versions.share(key, seededRandom(seed))).size).toBe(1);
        expect(make({ canary }).share(key, () => 0)).toBe(versions.share(key, () => 0.999));
      }),
    );
  }),
  law<Make>(
    "V3 a key moves only to a version whose share grew by a larger factor than that of the one it had",
    (make) => {
      fc.assert(
        fc.property(splits, splits, fc.string(), (before, after, prefix) => {
          const [old, now] = [make(before), make(after)];
          for (const user of usersOf(prefix, 100)) {
            const [from, to] = [old.share(user, never), now.share(user, never)];
            if (from !== to) expect(growth(before, after, to)).toBeGreaterThan(growth(before, after, from));
          }
        }),
      );
    },
  ),
  law<Make>("V4 as one share grows, the others lose no larger a part of their keys to it than it grew by", (make) => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom(2, 3), fc.integer({ min: 1, max: 30 }), (prefix, count, more) => {
        const before = Object.fromEntries(names.slice(0, count).map((name) => [name, 20]));
        const [old, now] = [make(before), make({ ...before, beta: 20 + more })];
        const users = usersOf(prefix, calls);
        for (const name of names.slice(0, count).filter((other) => other !== "beta")) {
          const own = users.filter((user) => old.share(user, never) === name);
          const lost = own.filter((user) => now.share(user, never) !== name).length;
          const bound = more / 100;
          expect(lost <= bound * own.length || isLikely(lost, bound, own.length)).toBe(true);
        }
      }),
      { numRuns: 20 },
    );
  }),
];

describeLaws("split by version", laws, subjectOf(right));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

/** A key is a place between 0 and 1, and each share begins where the one before it in the text's order ends. */
const stacked: Make = (split) => ({
  share: (key, random) => {
    const at = key === undefined ? random() : unitOf(hashText(key));
    let upTo = 0;
    return Object.keys(split)
      .toSorted()
      .find((version) => at < (upTo += (split[version] ?? 0) / 100));
  },
});

describeMutants("split by version: mutants", laws, [
  mutant("V1", "shares are of one, not of a hundred", (split) =>
    right(Object.fromEntries(Object.entries(split).map(([version, share]) => [version, share / 100]))),
  ),
  mutant("V1", "calls without a key are left out", (split) => ({
    share: (key, random) => (key === undefined ? undefined : right(split).share(key, random)),
  })),
  mutant("V2", "keys are not looked at", (split) => ({
    share: (_key, random) => right(split).share(undefined, random),
  })),
  mutant("V3", "the share is a part of the hash", (split) => ({
    share: (key, random) => right(split).share(`${split["canary"]}${key}`, random),
  })),
  mutant("V3", "shares lie one after the other", stacked),
  mutant("V4", "shares lie one after the other", stacked),
]);

test("the first route whose header fits decides", () => {
  const routes: readonly RouteOptions[] = [
    { header: "X-Canary", equals: "yes", version: "2" },
    { header: "x-client", prefix: "beta/", version: "3" },
    { header: "x-debug", version: "4" },
  ];
  const versions = new Versions({}, routes);
  const routed = (headers: Readonly<Record<string, string>>): string | undefined =>
    versions.route((name) => headers[name]);
  expect(routed({})).toBeUndefined();
  expect(routed({ "x-canary": "no" })).toBeUndefined();
  expect(routed({ "x-canary": "yes", "x-debug": "" })).toBe("2");
  expect(routed({ "x-client": "beta/7" })).toBe("3");
  expect(routed({ "x-client": "7 beta/" })).toBeUndefined();
  expect(routed({ "x-canary": "no", "x-debug": "" })).toBe("4");
});
