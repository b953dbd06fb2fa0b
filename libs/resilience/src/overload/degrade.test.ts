import { describeLaws, describeMutants, type Mutant } from "@weft/kit/testing";
import fc from "fast-check";
import { expect } from "vitest";
import { law, type Subject, subjectOf } from "../balancing/fixture.ts";
import { type DegradeOptions, DegradeScore, type Strain } from "./degrade.ts";

type Score = Pick<DegradeScore, "score" | "parts" | "degraded" | "update">;
type Make = (options?: DegradeOptions) => Score;

const right: Make = (options) => new DegradeScore(options);

const calm: Strain = { latencyMs: 20, errorShare: 0, cpuShare: 0.3 };

/** Readings a second apart, each as often as it lasts. */
const strains = fc
  .array(
    fc.record({
      latencyMs: fc.constantFrom(10, 1_000),
      errorShare: fc.constantFrom(0, 0.5),
      cpuShare: fc.constantFrom(0.2, 0.99),
      seconds: fc.integer({ min: 1, max: 8 }),
    }),
    { maxLength: 20 },
  )
  .map((stretches) => stretches.flatMap(({ seconds, ...strain }) => Array.from({ length: seconds }, () => strain)));

/** What `D1` makes of a reading. */
function scoreOf({ latencyMs, errorShare, cpuShare }: Strain): number {
  return (latencyMs > 500 ? 40 : 0) + (errorShare > 0.1 ? 35 : 0) + (cpuShare > 0.85 ? 25 : 0);
}

const laws = [
  law<Make>("D1 the score is the sum of what is over its threshold", (make) => {
    const score = make();
    const after = (strain: Partial<Strain>): number => {
      score.update({ ...calm, ...strain }, 0);
      return score.score;
    };
    expect(after({})).toBe(0);
    expect(after({ latencyMs: 501 })).toBe(40);
    expect(after({ errorShare: 0.11 })).toBe(35);
    expect(after({ cpuShare: 0.86 })).toBe(25);
    expect(after({ latencyMs: 500, errorShare: 0.1, cpuShare: 0.85 })).toBe(0);
    expect(after({ errorShare: 1, cpuShare: 1 })).toBe(60);
    expect(score.parts).toEqual(["errors", "cpu"]);
    expect(after({ latencyMs: 900, errorShare: 1, cpuShare: 1 })).toBe(100);
  }),
  law<Make>("D2 two of three degrade it at once, one does not", (make) => {
    fc.assert(
      fc.property(strains, (all) => {
        const score = make();
        for (const [second, strain] of all.entries()) {
          const was = score.degraded;
          const changed = score.update(strain, second * 1_000);
          if (scoreOf(strain) >= 60) expect(score.degraded).toBe(true);
          else if (!was) expect(score.degraded).toBe(false);
          expect(changed).toBe(was !== score.degraded);
        }
      }),
    );
  }),
  law<Make>("D3 it recovers after five seconds of calm without a break, and not before", (make) => {
    fc.assert(
      fc.property(strains, (all) => {
        const score = make();
        const scores: number[] = [];
        for (const [second, strain] of all.entries()) {
          const was = score.degraded;
          score.update(strain, second * 1_000);
          scores.push(scoreOf(strain));
          // Six readings, a second apart, are five seconds.
          const isCalm = scores.length >= 6 && scores.slice(-6).every((one) => one < 40);
          if (was) expect(score.degraded).toBe(!isCalm);
        }
      }),
    );
  }),
];

describeLaws("degrade score", laws, subjectOf(right));

function mutant(breaks: string, fault: string, make: Make): Mutant<Subject<Make>> {
  return { breaks, fault, open: subjectOf(make) };
}

/** The right one, told something else than what is so. */
function told(change: (strain: Strain, score: DegradeScore) => Strain | undefined): Make {
  return (options) => {
    const inner = new DegradeScore(options);
    return {
      get score() {
        return inner.score;
      },
      get parts() {
        return inner.parts;
      },
      get degraded() {
        return inner.degraded;
      },
      update: (strain, nowMs) => {
        const other = change(strain, inner);
        return other !== undefined && inner.update(other, nowMs);
      },
    };
  };
}

describeMutants("degrade score: mutants", laws, [
  mutant(
    "D1",
    "a threshold that is met counts as passed",
    told((strain) => ({ ...strain, latencyMs: strain.latencyMs + 1e-6 })),
  ),
  mutant(
    "D1",
    "the processor does not count",
    told((strain) => ({ ...strain, cpuShare: 0 })),
  ),
  mutant("D1", "a latency in seconds is expected", (options) => right({ ...options, latencyMs: 0.5 })),
  mutant("D2", "all three have to be bad", (options) => right({ ...options, from: 100 })),
  mutant("D2", "one of three is enough", (options) => right({ ...options, from: 35, below: 20 })),
  mutant("D2", "a change is told again and again", (options) => {
    const inner = new DegradeScore(options);
    return Object.assign(inner, {
      update: (strain: Strain, nowMs: number) => {
        DegradeScore.prototype.update.call(inner, strain, nowMs);
        return inner.degraded;
      },
    });
  }),
  mutant("D3", "it recovers at once", (options) => right({ ...options, calmMs: 0 })),
  mutant("D3", "it never recovers", (options) => right({ ...options, calmMs: 1e9 })),
  mutant("D3", "it recovers when nothing is bad enough to degrade it", (options) => right({ ...options, below: 60 })),
  mutant(
    "D3",
    "a break does not count",
    told((strain, { degraded }) => (degraded && strain.latencyMs > 500 ? { ...calm, errorShare: 1 } : strain)),
  ),
]);
