import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect, test } from "vitest";
import { law, seededRandom, type Subject, subjectOf } from "../balancing/fixture.ts";
import { type DetectorHooks, OutlierDetector } from "./detector.ts";
import type { OutlierOptions } from "./options.ts";

type Make = (hooks: DetectorHooks<number>, options: OutlierOptions) => OutlierDetector<number>;

const right: Make = (hooks, options) => {
  const detector = new OutlierDetector<number>(hooks, 0);
  detector.configure(options, 0);
  return detector;
};

/** A detector over instances 0 to `count` - 1, and what it decided. */
class World {
  nowMs = 0;
  readonly ejected = new Map<number, { readonly atMs: number; readonly reason: string }>();
  readonly detector: OutlierDetector<number>;
  readonly instances: readonly number[];
  /** Lengths of ejections, in order. */
  readonly servedMs: number[] = [];
  /** Instances that nobody could stand in for. */
  irreplaceable = new Set<number>();

  constructor(make: Make, count: number, options: OutlierOptions = {}) {
    this.instances = Array.from({ length: count }, (_, at) => at);
    const hooks: DetectorHooks<number> = {
      isReplaceable: (instance) => !this.irreplaceable.has(instance),
      onEjected: (instance, reason) => void this.ejected.set(instance, { atMs: this.nowMs, reason }),
      onReadmitted: (instance) => {
        this.servedMs.push(this.nowMs - (this.ejected.get(instance)?.atMs ?? NaN));
        this.ejected.delete(instance);
      },
    };
    this.detector = make(hooks, options);
    for (const instance of this.instances) this.detector.add(instance, 0);
  }

  /** Lets time go by, in steps at which the detector may look. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    while (this.detector.dueMs <= endMs) {
      this.nowMs = Math.max(this.nowMs, this.detector.dueMs);
      this.detector.tick(this.nowMs);
    }
    this.nowMs = endMs;
  }

  call(instance: number, fails: boolean): void {
    this.detector.record(instance, fails ? "failure" : "ok", this.nowMs);
  }

  failInARow(instance: number, times = 5): void {
    for (let turn = 0; turn < times; turn += 1) this.call(instance, true);
  }
}

const count = fc.integer({ min: 1, max: 30 });
const step = fc.record({
  instance: fc.nat(29),
  outcome: fc.constantFrom("failure" as const, "failure" as const, "ok" as const, "refused" as const),
  times: fc.integer({ min: 1, max: 12 }),
  passMs: fc.constantFrom(0, 0, 0, 100, 10_000, 60_000),
});
const steps = fc.array(step, { maxLength: 60, size: "max" });

const laws = [
  law<Make>("O1 never more ejected at a time than the share allows, one always allowed", (make) => {
    fc.assert(
      fc.property(count, steps, fc.constantFrom(0, 0.2, 0.5, 1), (size, plan, maxEjectedShare) => {
        const world = new World(make, size, { maxEjectedShare });
        for (const { instance, outcome, times, passMs } of plan) {
          world.pass(passMs);
          for (let turn = 0; turn < times; turn += 1) world.detector.record(instance % size, outcome, world.nowMs);
          const allowed = Math.max(1, Math.floor(maxEjectedShare * size));
          expect(world.ejected.size).toBeLessThanOrEqual(allowed);
          expect(world.instances.filter((one) => world.detector.isEjected(one))).toEqual(
            [...world.ejected.keys()].sort((a, b) => a - b),
          );
        }
        for (const instance of world.instances) world.failInARow(instance);
        expect(world.ejected.size).toBe(Math.max(1, Math.floor(maxEjectedShare * size)));
      }),
    );
  }),
  law<Make>("O2 never somebody whom nobody could replace", (make) => {
    fc.assert(
      fc.property(count, steps, fc.array(fc.nat(29)), (size, plan, irreplaceable) => {
        const world = new World(make, size);
        world.irreplaceable = new Set(irreplaceable);
        for (const { instance, outcome, times, passMs } of plan) {
          world.pass(passMs);
          for (let turn = 0; turn < times; turn += 1) world.detector.record(instance % size, outcome, world.nowMs);
          for (const one of world.irreplaceable) expect(world.ejected.has(one)).toBe(false);
        }
      }),
    );
  }),
  law<Make>(
    "O3 whoever is ejected is readmitted, after the base time for each ejection, and the maximum at most",
    (make) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 15 }),
          fc.integer({ min: 1000, max: 60_000 }),
          (times, baseEjectionMs) => {
            const world = new World(make, 3, { baseEjectionMs, maxEjectionMs: 300_000 });
            for (let turn = 0; turn < times; turn += 1) {
              world.failInARow(1);
              expect(world.ejected.has(1)).toBe(true);
              world.pass(300_000);
              expect(world.ejected.has(1)).toBe(false);
              // Sick again at once: time in service is over before anything is forgiven.
              world.nowMs -= 300_000 - (world.servedMs.at(-1) ?? 0);
            }
            expect(world.servedMs).toEqual(world.servedMs.map((_, at) => Math.min(baseEjectionMs * (at + 1), 300_000)));
          },
        ),
      );
    },
  ),
  law<Make>("O4 an ejection is forgiven for each base time of service without another", (make) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.nat(10), fc.nat(9_999), (ejections, well, moreMs) => {
        const world = new World(make, 3);
        const failUntilBack = (): void => {
          world.failInARow(1);
          world.pass((world.detector.ejectedUntilMs(1) ?? 0) - world.nowMs);
        };
        for (let turn = 0; turn < ejections; turn += 1) failUntilBack();
        world.pass(well * 10_000 + moreMs);
        failUntilBack();
        expect(world.servedMs.at(-1)).toBe(10_000 * (Math.max(0, ejections - well) + 1));
      }),
    );
  }),
  law<Make>(
    "O5 failures in a row eject, whatever the others do; a success in between starts the count anew",
    (make) => {
      fc.assert(
        fc.property(fc.integer({ min: 1, max: 9 }), fc.boolean(), (consecutiveFailures, othersFail) => {
          const world = new World(make, 2, { consecutiveFailures, minCalls: 32 });
          if (othersFail && consecutiveFailures > 1) world.call(0, true);
          world.failInARow(1, consecutiveFailures - 1);
          world.call(1, false);
          world.failInARow(1, consecutiveFailures - 1);
          expect(world.ejected.size).toBe(0);
          world.call(1, true);
          expect(world.ejected.get(1)?.reason).toBe("consecutive failures");
        }),
      );
    },
  ),
  law<Make>(
    "O6 failing half of its calls beside sound ones ejects within 40 calls, in clusters of two and more",
    (make) => {
      fc.assert(
        fc.property(fc.integer({ min: 2, max: 30 }), fc.nat(200), fc.integer(), (size, soundBefore, seed) => {
          const world = new World(make, size);
          const random = seededRandom(seed);
          for (let turn = 0; turn < soundBefore; turn += 1) for (const one of world.instances) world.call(one, false);
          // 100 calls a second, evenly spread; never twice the same, so that no row of failures is found.
          for (let turn = 0; turn < 40; turn += 1) {
            world.pass(10 * size);
            for (const one of world.instances)
              world.call(one, one === 1 && (turn + Math.round(random() * 0.6)) % 2 === 0);
          }
          expect([...world.ejected.keys()]).toEqual([1]);
        }),
        // Chance: of a few thousand runs one needs some calls more.
        { seed: 1 },
      );
    },
  ),
  law<Make>(
    "O7 when all fail alike, failing more than the others is chance: it ejects at most once in a thousand calls",
    (make) => {
      fc.assert(
        fc.property(
          fc.integer(),
          fc.integer({ min: 2, max: 8 }),
          fc.constantFrom(0.02, 0.1, 0.3),
          (seed, size, share) => {
            // Back at once, so that every ejection is counted.
            const world = new World(make, size, { consecutiveFailures: 1000, baseEjectionMs: 1, maxEjectionMs: 1 });
            const random = seededRandom(seed);
            for (let turn = 0; turn < 1000; turn += 1) {
              world.pass(10);
              for (const one of world.instances) world.call(one, random() < share);
            }
            expect(world.servedMs.length).toBeLessThanOrEqual(size);
          },
        ),
        { numRuns: 20, seed: 1 },
      );
    },
  ),
  law<Make>("O8 what was refused or cancelled says nothing", (make) => {
    fc.assert(
      fc.property(
        fc.constantFrom("refused" as const, "cancelled" as const),
        fc.nat(4),
        fc.nat(50),
        (outcome, failures, times) => {
          const world = new World(make, 2);
          world.failInARow(1, failures);
          for (let turn = 0; turn < times; turn += 1) world.detector.record(1, outcome, 0);
          expect(world.ejected.size).toBe(0);
          world.failInARow(1, 5 - failures);
          expect(world.ejected.has(1)).toBe(true);
        },
      ),
    );
  }),
  law<Make>(
    "O9 in a larger cluster, a success rate that falls behind the others' is found when an interval ends",
    (make) => {
      fc.assert(
        fc.property(fc.integer({ min: 6, max: 20 }), fc.nat(19), fc.constantFrom(8, 10, 12), (size, at, everyNth) => {
          const world = new World(make, size);
          const sick = at % size;
          for (let turn = 0; turn < 120; turn += 1) {
            for (const one of world.instances) world.call(one, one === sick && turn % everyNth === 0);
          }
          expect(world.ejected.size).toBe(0);
          world.pass(10_000);
          expect([...world.ejected]).toEqual([[sick, { atMs: 10_000, reason: "low success rate" }]]);
        }),
      );
    },
  ),
];

describeLaws("outliers", laws, subjectOf(right));

const always =
  (change: OutlierOptions): Make =>
  (hooks, options) =>
    right(hooks, { ...options, ...change });

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

/** A detector of which some methods are wrong. */
function changed(change: (detector: OutlierDetector<number>) => Partial<OutlierDetector<number>>): Make {
  return (hooks, options) => {
    const detector = right(hooks, options);
    return Object.assign(detector, change(detector));
  };
}

describeMutants("outliers: mutants", laws, [
  mutant("O1", "all may be ejected", always({ maxEjectedShare: 1 })),
  mutant("O2", "nobody is asked who could replace it", (hooks, options) =>
    right({ ...hooks, isReplaceable: () => true }, options),
  ),
  mutant("O3", "the second time is as long as the first", always({ maxEjectionMs: 1 })),
  mutant("O3", "the time has no maximum", always({ maxEjectionMs: Infinity })),
  mutant("O4", "whoever is back is forgiven everything", (hooks, options) => {
    const detector: OutlierDetector<number> = right(
      {
        ...hooks,
        onReadmitted: (instance, reason) => {
          detector.delete(instance);
          detector.add(instance, 0);
          hooks.onReadmitted(instance, reason);
        },
      },
      options,
    );
    return detector;
  }),
  mutant(
    "O5",
    "failures are counted over all calls",
    changed((detector) => {
      const { record } = detector;
      return {
        record: (instance, outcome, nowMs) =>
          void (outcome === "ok" || record.call(detector, instance, outcome, nowMs)),
      };
    }),
  ),
  mutant("O6", "only failures in a row are looked at", always({ minCalls: 33, successRateMinInstances: 1000 })),
  mutant(
    "O7",
    "the others are not looked at",
    changed((detector) => {
      const { record } = detector;
      return {
        record: (instance, outcome, nowMs) =>
          record.call(detector, instance, instance === 0 && outcome === "failure" ? "failure" : "ok", nowMs),
      };
    }),
  ),
  mutant(
    "O8",
    "refused calls are failures",
    changed((detector) => {
      const { record } = detector;
      return { record: (instance, _outcome, nowMs) => record.call(detector, instance, "failure", nowMs) };
    }),
  ),
  mutant(
    "O8",
    "refused calls are successes",
    changed((detector) => {
      const { record } = detector;
      return {
        record: (instance, outcome, nowMs) =>
          record.call(detector, instance, outcome === "failure" ? "failure" : "ok", nowMs),
      };
    }),
  ),
  mutant("O9", "success rates are not compared", always({ successRateMinInstances: 1000 })),
]);

test("switched off, it lets everybody back and ejects nobody", () => {
  const world = new World(right, 2);
  world.failInARow(1);
  expect(world.ejected.has(1)).toBe(true);
  world.detector.configure({ enabled: false }, 0);
  expect(world.ejected.size).toBe(0);
  world.failInARow(1, 50);
  expect(world.ejected.size).toBe(0);
});

test("an ejection that was made long by mistake ends with that", () => {
  const world = new World(right, 2, { baseEjectionMs: 3_600_000, maxEjectionMs: 3_600_000 });
  world.failInARow(1);
  world.pass(60_000);
  expect(world.ejected.has(1)).toBe(true);
  world.detector.configure({}, world.nowMs);
  world.pass(9_999);
  expect(world.ejected.has(1)).toBe(true);
  world.pass(1);
  expect(world.ejected.has(1)).toBe(false);
});

test("what was before a long silence says nothing: one failure after it is one failure", () => {
  const world = new World(right, 2);
  // An outage of something behind both of them.
  for (let turn = 0; turn < 20; turn += 1)
    for (const instance of [0, 1]) for (const fails of [true, false]) world.call(instance, fails);
  expect(world.ejected.size).toBe(0);
  world.pass(3_600_000);
  for (let turn = 0; turn < 40; turn += 1) world.call(0, false);
  world.call(1, true);
  expect(world.ejected.size).toBe(0);
});

test("when every call fails, nobody fails more, be the gap nothing at all", () => {
  const world = new World(right, 3, { shareAboveOthers: 0, consecutiveFailures: 1_000 });
  for (let turn = 0; turn < 100; turn += 1) for (const instance of world.instances) world.call(instance, true);
  expect(world.ejected.size).toBe(0);
});
