import {
  balancingPolicies,
  type BalancingPolicy,
  Cluster,
  type ClusterOptions,
  type ClusterPolicy,
  type Endpoint,
} from "@weft/resilience";
import { describe, expect, test } from "vitest";
import { crash, failing, together } from "./faults.ts";
import { misplacing, withCluster } from "./mutants.ts";
import { type Report, type Scenario, simulate } from "./simulate.ts";

type Kind = typeof Cluster;

/** Six instances, good for 200 calls a second each, a third busy. */
const small: Scenario = {
  ...{ name: "small", about: "", instances: 6, clients: 6, keys: { count: 10_000, skew: 0 } },
  load: { kind: "open", ratePerS: 400 },
  instance: () => ({ serviceMs: 20 }),
};

const byKey = ["consistent-hash", "sticky"] as const;
const policies = balancingPolicies.map((policy) => ({ policy }));

describe("weights: each gets its share", () => {
  const weights = [1, 2, 4, 1, 2, 4];
  const weighted: Scenario = {
    ...small,
    instance: (index) => ({
      serviceMs: 20,
      workers: 2 * (weights[index] ?? 1),
      facts: { weight: weights[index] ?? 1 },
    }),
    lastsMs: 16_000,
  };
  /** What each gets, where 1 is the share of its weight. */
  const shares = (kind: Kind, policy: ClusterPolicy, seed: number): readonly number[] => {
    const { worked } = simulate(weighted, withCluster("", kind, policy), seed);
    return worked.map((count, index) => (count * sum(weights)) / sum(worked) / (weights[index] ?? 1));
  };
  const isFair = (policy: BalancingPolicy, all: readonly number[]): boolean => {
    // One call in flight is more on a small one than on a large one: as long as others are free it gets less than its share.
    const least = policy === "p2c-ewma" || policy === "least-request" ? 0.55 : 0.8;
    return Math.max(...all) < 1.2 && Math.min(...all) > least;
  };
  const weighing = policies.filter(({ policy }) => policy !== "round-robin");

  test.each(weighing)("$policy", (balancing) => {
    for (const seed of [1, 2]) {
      const all = shares(Cluster, { balancing }, seed);
      expect(isFair(balancing.policy, all), String(all)).toBe(true);
    }
  });

  test.each(weighing)("$policy: one that does not look at them is found out", (balancing) => {
    expect(isFair(balancing.policy, shares(misplacing.weights, { balancing }, 1))).toBe(false);
  });
});

/** The last two are of a version of their own. */
const versioned: Scenario = {
  ...small,
  instance: (index) => ({ serviceMs: 20, facts: { version: index % 6 < 4 ? "1.0.0" : "2.0.0" } }),
};

describe("a split by version: each gets its share while one of it fails", () => {
  const split = { "2.0.0": 10 };
  const canary: Scenario = { ...versioned, versions: { split }, fault: failing(4, 0.5) };
  const shareOf = (scenario: Scenario, kind: Kind, policy: ClusterPolicy, seed: number) => {
    const placed = new Placed(kind);
    const report = simulate(scenario, withCluster("", placed.kind, policy), seed);
    return { report, share: placed.share((endpoint) => endpoint.facts.version === "2.0.0") };
  };

  test.each(policies)("$policy", (balancing) => {
    for (const seed of [1, 2]) {
      const { report, share } = shareOf(canary, Cluster, { balancing }, seed);
      expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
      expect(report.failed).toEqual(nobody);
    }
  });

  test.each(policies)("$policy, and when all of the version are gone no call fails for it", (balancing) => {
    const { report } = shareOf({ ...canary, fault: together(crash(4), crash(5)) }, Cluster, { balancing }, 1);
    expect(report.failed).toEqual(nobody);
  });

  test("callers with a part of the instances have some of each version", () => {
    const many: Scenario = { ...canary, instances: 24, clients: 24, fault: () => () => undefined };
    const { report, share } = shareOf(many, Cluster, { balancing: { subsetSize: 3 } }, 1);
    expect(Math.abs(share - 0.1)).toBeLessThan(0.02);
    expect(report.failed).toEqual(nobody);
  });

  test("one that does not look at it is found out", () => {
    expect(shareOf(canary, misplacing.split, {}, 1).share).toBeGreaterThan(0.2);
  });
});

describe("a route by header: who has it goes there, and nobody else", () => {
  const routed: Scenario = {
    ...versioned,
    header: { name: "x-canary", value: "yes", share: 0.1 },
    versions: { split: { "2.0.0": 0 }, routes: [{ header: "x-canary", equals: "yes", version: "2.0.0" }] },
    fault: failing(4, 0.5),
  };
  const astray = (kind: Kind, policy: ClusterPolicy, seed: number): { report: Report; share: number } => {
    const placed = new Placed(kind);
    const report = simulate(routed, withCluster("", placed.kind, policy), seed);
    const isAstray = ({ facts }: Endpoint, hasHeader: boolean): boolean => hasHeader !== (facts.version === "2.0.0");
    return { report, share: placed.share(isAstray) };
  };

  test.each(policies)("$policy", (balancing) => {
    const { report, share } = astray(Cluster, { balancing }, 1);
    expect(share).toBe(0);
    expect(report.failed).toEqual(nobody);
  });

  test("one that reads no headers is found out", () => {
    expect(astray(misplacing.headers, {}, 1).share).toBeGreaterThan(0.05);
  });
});

describe("zones: as many calls as possible stay, and no instance has more to do for it", () => {
  const sizes = [1, 2, 3];
  const zoneOf = (index: number): string => `zone-${[0, 1, 1][index] ?? 2}`;
  /** Callers are in each zone alike. */
  const unequal: Scenario = {
    ...small,
    zones: sizes.length,
    instance: (index) => ({ serviceMs: 20, facts: { zone: zoneOf(index) } }),
  };
  const look = (kind: Kind, policy: ClusterPolicy, seed: number): { stay: number; unevenness: number } => {
    const placed = new Placed(kind);
    const { maxOverMean } = simulate(unequal, withCluster("", placed.kind, policy), seed);
    return { stay: placed.share((endpoint, _, zone) => endpoint.facts.zone === zone), unevenness: maxOverMean };
  };
  /** Half of what the first zone's callers want, and all of the others'. */
  const most = (0.5 + 1 + 1) / 3;

  test.each(policies.filter(({ policy }) => !byKey.some((one) => one === policy)))("$policy", (balancing) => {
    for (const seed of [1, 2]) {
      const { stay, unevenness } = look(Cluster, { balancing }, seed);
      expect(stay).toBeGreaterThan(most - 0.03);
      expect(unevenness).toBeLessThan(1.15);
    }
  });

  test("one that knows of no zones is found out, and one that knows of no others", () => {
    expect(look(misplacing.zones, {}, 1).stay).toBeLessThan(most - 0.03);
    expect(look(misplacing.otherZones, {}, 1).unevenness).toBeGreaterThan(1.15);
  });
});

/** Where calls are placed at their first try. */
class Placed {
  readonly kind: Kind;
  readonly #picks: { readonly endpoint: Endpoint; readonly hasHeader: boolean; readonly zone: string | undefined }[] =
    [];

  constructor(kind: Kind) {
    const picks = this.#picks;
    this.kind = class extends kind {
      readonly #zone: string | undefined;

      constructor(options: ClusterOptions) {
        super(options);
        this.#zone = options.caller?.zone;
      }

      override pick(call: Parameters<Cluster["pick"]>[0], avoid?: ReadonlySet<Endpoint>): Endpoint | undefined {
        const endpoint = super.pick(call, avoid);
        const hasHeader = call.header !== undefined;
        if (endpoint !== undefined && avoid === undefined) picks.push({ endpoint, hasHeader, zone: this.#zone });
        return endpoint;
      }
    };
  }

  share(counts: (endpoint: Endpoint, hasHeader: boolean, zone: string | undefined) => boolean): number {
    const counted = this.#picks.filter(({ endpoint, hasHeader, zone }) => counts(endpoint, hasHeader, zone));
    return counted.length / this.#picks.length;
  }
}

const nobody = { failed: 0, refused: 0, late: 0, nobody: 0, broken: 0 };

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
