import {
  balancingDefaults,
  balancingPolicies,
  type BalancingPolicy,
  breakerDefaults,
  type Decision,
  outlierDefaults,
  retryDefaults,
} from "@weft/resilience";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mesh, plain } from "./contestants.ts";
import {
  crash,
  failing,
  type Fault,
  freeze,
  lossy,
  rollingRestart,
  slow,
  surge,
  together,
  zoneOutage,
} from "./faults.ts";
import { mutants } from "./mutants.ts";
import { type Report, type Scenario, simulate } from "./simulate.ts";
import type { Contestant } from "./world/world.ts";

const seeds = [1, 2] as const;
const p2c = mesh("p2c-ewma");

/** Six instances, good for 200 calls a second each, a third busy. */
const small: Scenario = {
  ...{ name: "small", about: "", instances: 6, clients: 3, zones: 2, keys: { count: 1_000, skew: 0 } },
  load: { kind: "open", ratePerS: 400 },
  instance: () => ({ serviceMs: 20 }),
  lastsMs: 8_000,
};

const faults: Readonly<Record<string, Fault>> = {
  none: () => () => undefined,
  slow: slow(0, 10),
  failing: failing(0, 0.5),
  "all failing": together(...[0, 1, 2, 3, 4, 5].map((index) => failing(index, 0.7))),
  "half crashed": together(crash(0), crash(1), crash(2)),
  frozen: freeze(0),
  lossy: lossy(0, 0.1),
  "rolling restart": rollingRestart(1_000, 1),
  "zone outage": zoneOutage("zone-0"),
  surge: surge(10),
};

describe("whatever happens", () => {
  /** A fault, a policy and chance. */
  const anything = fc.record({
    fault: fc.constantFrom(...Object.keys(faults)),
    policy: fc.constantFrom(...balancingPolicies),
    seed: fc.nat(),
  });

  test("every call ends once, retries keep to their budget, and no more are ejected than may be", () => {
    fc.assert(
      fc.property(anything, ({ fault, policy, seed }) => {
        const ejected = new Ejected();
        const report = run(mesh(policy, { balancing: { policy } }), fault, seed, ejected);
        expect(report.unaccounted).toBe(0);
        expect(report.retriesShare * report.calls).toBeLessThanOrEqual(mostRetries(report));
        expect(ejected.most).toBeLessThanOrEqual(mostEjected);
      }),
      { numRuns: 12 },
    );
  });

  test("one that ejects as many as it likes is found out", () => {
    const ejected = new Ejected();
    run(mutants.ejectsAll, "all failing", 1, ejected);
    expect(ejected.most).toBeGreaterThan(mostEjected);
  });

  test("one that retries without a budget is found out", () => {
    const report = run(mutants.retriesWithoutBudget, "all failing", 1);
    expect(report.retriesShare * report.calls).toBeGreaterThan(mostRetries(report));
  });

  test("the same seed gives the same report, another one another", () => {
    const text = (seed: number): string => JSON.stringify(run(p2c, "slow", seed));
    expect(text(5)).toBe(text(5));
    expect(text(5)).not.toBe(text(6));
  });
});

describe("nobody who may take calls starves", () => {
  const least = ({ worked }: Report): number => (Math.min(...worked) * worked.length) / sum(worked);

  test.each(balancingPolicies)("%s", (policy) => {
    for (const seed of seeds) {
      expect(least(run(mesh(policy, { balancing: { policy } }), "none", seed))).toBeGreaterThan(0.5);
    }
  });

  test("one that prefers the first is found out", () => {
    expect(least(run(mutants.starves, "none", 1))).toBeLessThan(0.5);
  });
});

describe("p2c-ewma", () => {
  test("beats round robin by far when one is slow", () => {
    for (const seed of seeds) {
      const roundRobin = run(mesh("", { balancing: { policy: "round-robin" } }), "slow", seed);
      expect(run(p2c, "slow", seed).p99Ms).toBeLessThan(roundRobin.p99Ms / 2);
    }
  });

  /** With one worker each, all that matters is who is free. */
  const narrow: Scenario = { ...small, zones: 1, instance: () => ({ workers: 1, serviceMs: 10 }) };
  const leastRequest = mesh("", { balancing: { policy: "least-request" } });

  test("costs next to nothing when all are well", () => {
    for (const seed of seeds) {
      const most = 1.25 * simulate(narrow, leastRequest, seed).p99Ms;
      expect(simulate(narrow, p2c, seed).p99Ms).toBeLessThan(most);
      expect(
        simulate(narrow, mutants.ignoresInFlight, seed).p99Ms,
        "one that ignores what is in flight",
      ).toBeGreaterThan(most);
    }
  });
});

describe("under far more calls than can be answered", () => {
  const surged: Scenario = { ...small, fault: surge(10), lastsMs: 4_000 };
  const capacity = 1_200;
  // The default takes 40 calls at a time, whatever they cost: with four workers that is a queue of its own.
  const lean = mesh("", { concurrency: { minLimit: 10 } });

  test("as many as can be are answered, few are tried again, and afterwards all is well at once", () => {
    for (const seed of seeds) {
      const report = simulate(surged, lean, seed);
      expect(report.goodputPerS).toBeGreaterThan(0.9 * capacity);
      expect(report.p50Ms).toBeLessThan(200);
      expect(report.retriesShare).toBeLessThan(0.1);
      expect(report.failed.late).toBeLessThan(report.calls / 1_000);
      expect(report.settledMs ?? Infinity).toBeLessThanOrEqual(2_000);
    }
  });

  test("one without a limiter answers too late, and one without a budget drowns it in retries", () => {
    expect(simulate(surged, mesh("", { concurrency: "none" }), 1).p50Ms).toBeGreaterThan(1_000);
    const drowned = simulate({ ...surged, lastsMs: 1_000 }, mutants.retriesWithoutBudget, 1);
    expect(drowned.retriesShare).toBeGreaterThan(0.1);
  });
});

describe("what may be retried does not fail", () => {
  test.each(everywhere("failing", "half crashed", "frozen", "lossy", "rolling restart"))("%s, %s", (fault, policy) => {
    for (const seed of seeds) expect(under(fault, policy, seed).failed).toEqual(nobody);
  });

  // Who looks at neither latency nor load goes on sending there what is too late in the end.
  test.each(["p2c-ewma", "least-request", "consistent-hash"] as const)("slow, %s", (policy) => {
    for (const seed of seeds) expect(under("slow", policy, seed).failed).toEqual(nobody);
  });

  test("it does without a mesh", () => {
    expect(run(plain, "failing", 1).failedShare).toBeGreaterThan(0.05);
  });

  test("one that retries where it failed is found out", () => {
    expect(run(p2c, "all failing", 1).retriedThereShare).toBe(0);
    expect(run(mutants.ignoresAvoid, "all failing", 1).retriedThereShare).toBeGreaterThan(0);
  });
});

describe("when a fault is over, so is what came of it", () => {
  test.each(everywhere(...Object.keys(faults)))("%s, %s", (fault, policy) => {
    const mostMs = mostSettlingMs(fault, policy);
    for (const seed of seeds) expect(under(fault, policy, seed).settledMs ?? Infinity).toBeLessThanOrEqual(mostMs);
  });

  test("one that hardly sends to who is new is found out", () => {
    expect(run(mutants.neverWarms, "half crashed", 1).settledMs ?? Infinity).toBeGreaterThan(
      mostSettlingMs("half crashed", "p2c-ewma"),
    );
  });

  test("one that takes nobody back is found out", () => {
    const brief: Fault = (world) => {
      world.timeline.after(1_000, failing(0, 1)(world));
      return () => undefined;
    };
    const lastsMs = 4.5 * outlierDefaults.baseEjectionMs;
    const worked = (contestant: Contestant): number =>
      simulate({ ...small, fault: brief, lastsMs }, contestant, 1).worked[0] ?? 0;
    expect(worked(p2c)).toBeGreaterThan(200);
    expect(worked(mutants.neverReadmits)).toBeLessThan(200);
  });
});

describe("settings that change while calls run", () => {
  test("fail none", () => {
    for (const seed of seeds) {
      const policies = [...balancingPolicies];
      const report = simulate(small, p2c, seed, {
        onSecond: ({ clients, timeline }) => {
          const policy = policies[Math.floor(timeline.nowMs / 1_000) % policies.length] ?? "random";
          const subsetSize = 4 + (Math.floor(timeline.nowMs / 1_000) % 3);
          for (const client of clients) client.configure({ balancing: { policy, subsetSize } });
        },
      });
      expect(report.failed).toEqual(nobody);
      expect(report.unaccounted).toBe(0);
    }
  });
});

/** Each of the faults with each policy. */
function everywhere(...names: readonly string[]): (readonly [fault: string, policy: BalancingPolicy])[] {
  return names.flatMap((fault) => balancingPolicies.map((policy) => [fault, policy] as const));
}

/** More than one law looks at a run. */
const ran = new Map<string, Report>();

function under(fault: string, policy: BalancingPolicy, seed: number): Report {
  const name = `${fault}, ${policy}, ${seed}`;
  const report = ran.get(name) ?? run(mesh(policy, { balancing: { policy } }), fault, seed);
  ran.set(name, report);
  return report;
}

/** How long after a fault all may be as before at the latest, in milliseconds. */
function mostSettlingMs(fault: string, policy: BalancingPolicy): number {
  // What fails as a whole is left alone for a while.
  if (fault === "all failing") return breakerDefaults.openMs;
  // Who goes by weight alone leaves most to the old ones until the newcomers have half of their weight.
  const goesByWeight = policy === "weighted-round-robin" || policy === "random";
  return fault === "half crashed" && goesByWeight ? balancingDefaults.warmUp.windowMs / 2 : 3_000;
}

function run(contestant: Contestant, fault: string, seed: number, ejected?: Ejected): Report {
  const begin = faults[fault];
  if (begin === undefined) throw new RangeError(`there is no fault ${fault}`);
  return simulate({ ...small, fault: begin }, contestant, seed, {
    onDecision: (decision, client) => ejected?.take(decision, client),
  });
}

/** How many instances one client held for sick at a time. */
class Ejected {
  most = 0;
  readonly #now = new Map<string, Set<string>>();

  take({ kind, instance, reason }: Decision, client: string): void {
    if (instance === undefined || reason === "silent" || reason === "answers again") return;
    const now = this.#now.get(client) ?? new Set();
    this.#now.set(client, now);
    if (kind === "ejected") now.add(instance);
    if (kind === "readmitted") now.delete(instance);
    this.most = Math.max(this.most, now.size);
  }
}

const mostEjected = Math.max(1, Math.floor(outlierDefaults.maxEjectedShare * small.instances));

/** What the budgets of all clients grant at most, from the beginning of the simulation. */
function mostRetries({ calls }: Report): number {
  const { budgetShare, budgetBurst, budgetPerSecond } = retryDefaults;
  const seconds = 13;
  return budgetShare * (calls + 400 * 5) + small.clients * (budgetBurst + budgetPerSecond * seconds);
}

const nobody = { failed: 0, refused: 0, late: 0, nobody: 0, broken: 0 };

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
