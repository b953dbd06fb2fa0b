import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { countOf, isLikely, law, seededRandom, type Subject, subjectOf } from "./fixture.ts";
import { type RouteOptions, type SplitOptions, Versions } from "./versions.ts";

/** Which version a call goes to. */
interface Sharing {
  share(key: string | undefined, random: () => number): string | undefined;
}
type Make = (split: SplitOptions) => Sharing;

const right: Make = (split) => new Versions(split);
const percent = fc.integer({ min: 0, max: 50 });
const calls = 2000;

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
  law<Make>("V3 a share that grows keeps its keys", (make) => {
    fc.assert(
      fc.property(percent, percent, fc.array(fc.string(), { minLength: 20 }), (share, more, keys) => {
        const [before, after] = [make({ canary: share }), make({ canary: share + more })];
        const kept = keys.filter((key) => before.share(key, () => 0.999) === "canary");
        for (const key of kept) expect(after.share(key, () => 0.999)).toBe("canary");
      }),
    );
  }),
];

describeLaws("split by version", laws, subjectOf(right));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

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
