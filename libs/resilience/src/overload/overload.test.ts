import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Admission } from "./admission.ts";
import { laws, makeAdmission, type MakeSubject } from "./laws.ts";
import { seeded } from "./testing.ts";
import { LoopTurns } from "./turns.ts";

describe("limiter and admission", () => {
  test.each(Object.entries(laws))("%s", (_, law) => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        expect(law(makeAdmission, seeded(seed))).toBeUndefined();
      }),
      { numRuns: 5, seed: 20 },
    );
  });
});

/** Deliberately wrong: each must break a law. */
const mutants: Readonly<Record<string, MakeSubject>> = {
  "has no limit": () => ({ limit: 10_000, tryCall: () => true, end: () => undefined }),
  "has a fixed limit": () => {
    let inFlight = 0;
    return {
      limit: 10,
      tryCall: () => inFlight < 10 && (inFlight += 1) > 0,
      end: () => void (inFlight -= 1),
    };
  },
  "knows no bounds": (_, isSaturated) => makeAdmission(undefined, isSaturated),
  "takes all methods for one": (bounds, isSaturated) => {
    const inner = makeAdmission(bounds, isSaturated);
    return { ...passedOn(inner), end: (call, nowMs) => inner.end({ ...call, method: "all" }, nowMs) };
  },
  "takes all calls for critical": (bounds, isSaturated) => {
    const inner = makeAdmission(bounds, isSaturated);
    return {
      ...passedOn(inner),
      tryCall: (_, nowMs) => inner.tryCall("critical", nowMs),
      end: (call, nowMs) => inner.end({ ...call, priority: "critical" }, nowMs),
    };
  },
  "takes all calls for interactive": (bounds, isSaturated) => {
    const inner = makeAdmission(bounds, isSaturated);
    return {
      ...passedOn(inner),
      tryCall: (_, nowMs) => inner.tryCall("interactive", nowMs),
      end: (call, nowMs) => inner.end({ ...call, priority: "interactive" }, nowMs),
    };
  },
  "never forgets what was usual": (bounds) => makeAdmission(bounds, () => true),
  "takes overload for the usual": (bounds) => makeAdmission(bounds, () => false),
  "does not recover": (bounds, isSaturated) => {
    const inner = makeAdmission(bounds, isSaturated);
    let lowest = Number.POSITIVE_INFINITY;
    let inFlight = 0;
    return {
      ...passedOn(inner),
      tryCall: (priority, nowMs) => {
        lowest = Math.min(lowest, inner.limit);
        if (inFlight >= lowest || !inner.tryCall(priority, nowMs)) return false;
        inFlight += 1;
        return true;
      },
      end: (call, nowMs) => {
        inFlight -= 1;
        inner.end(call, nowMs);
      },
    };
  },
  "measures in seconds": (bounds, isSaturated) => {
    const inner = makeAdmission(bounds, isSaturated);
    return {
      ...passedOn(inner),
      end: (call, nowMs) => inner.end({ ...call, tookMs: call.tookMs / 1_000 }, nowMs),
    };
  },
  "forgets that calls end": (bounds, isSaturated) => ({
    ...passedOn(makeAdmission(bounds, isSaturated)),
    end: () => undefined,
  }),
};

function passedOn(inner: ReturnType<MakeSubject>): ReturnType<MakeSubject> {
  return {
    get limit() {
      return inner.limit;
    },
    tryCall: (priority, nowMs) => inner.tryCall(priority, nowMs),
    end: (call, nowMs) => inner.end(call, nowMs),
  };
}

test.each(Object.entries(mutants))("the laws catch one that %s", (_, mutant) => {
  const broken = Object.values(laws).some((law) => [1, 2].some((seed) => law(mutant, seeded(seed)) !== undefined));
  expect(broken).toBe(true);
});

test("L5 a limit that the last calls of an overload left behind is gone when the next ones come", () => {
  const admission = new Admission({ minLimit: 4 });
  const priority = "interactive";
  const end = (tookMs: number, nowMs: number): void => admission.end({ method: "some", priority, tookMs }, nowMs);
  let nowMs = 0;
  for (const tookMs of [10, 10, 900, 900, 900, 900, 900, 900]) {
    const taken = Array.from({ length: 20 }, () => admission.tryCall(priority, nowMs)).filter(Boolean).length;
    nowMs += 200;
    for (let call = 0; call < taken; call += 1) end(tookMs, nowMs);
  }
  let taken = 0;
  while (admission.tryCall(priority, nowMs)) taken += 1;
  expect(taken).toBeLessThan(20);
  // Too few for a window, and nobody comes for an hour.
  for (; taken > 0; taken -= 1) end(10, nowMs + 1);
  nowMs += 3_600_000;
  expect(Array.from({ length: 500 }, () => admission.tryCall(priority, nowMs))).not.toContain(false);
});

describe("turns of the event loop", () => {
  interface Offer {
    readonly offered: number;
    readonly costMs: number;
    /** For so long the loop has not rested; it has just now when that is left out. */
    readonly tiredMs?: number;
    /** Calls that came in the turn before then. Default more than a few. */
    readonly before?: number;
    /** Of the turn's work, for calls like these. */
    readonly share?: number;
    /** Default: unless it is tired. */
    readonly hasRested?: boolean;
    /** Default 0. */
    readonly refusalMs?: number;
  }

  /** A turn that takes all it may of `offered` calls; each costs `costMs`. What it took, and when it ended. */
  function turn(turns: LoopTurns, startMs: number, how: Offer) {
    if (how.tiredMs !== undefined) {
      turns.start(startMs - how.tiredMs, { hasRested: true, rounds: 1 });
      for (let call = 0; call < (how.before ?? 1_000); call += 1) turns.offer();
    }
    turns.start(startMs, { hasRested: how.hasRested ?? how.tiredMs === undefined, rounds: 1 });
    const { refusalMs = 0 } = how;
    let taken = 0;
    let workedMs = 0;
    for (let call = 0; call < how.offered; call += 1) {
      if (!turns.offer(how.share)) {
        workedMs += refusalMs;
        turns.refused(refusalMs);
        continue;
      }
      turns.take();
      taken += 1;
      workedMs += how.costMs;
    }
    turns.end(workedMs);
    return { taken, endMs: startMs + workedMs };
  }

  function warm(costMs: number, maxTurnMs: number): LoopTurns {
    const turns = new LoopTurns({ maxTurnMs });
    const offered = Math.max(2, Math.ceil(20 / costMs) + 1);
    for (let at = 0; at < 8; at += 1) turn(turns, at * 1_000, { offered, costMs });
    return turns;
  }

  test("T1 a turn after a rest, and soon after, takes whatever comes", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.double({ min: 0.01, max: 50, noNaN: true }),
        (offered, costMs) => {
          expect(turn(warm(costMs, 100), 10_000, { offered, costMs }).taken).toBe(offered);
          expect(turn(warm(costMs, 100), 10_000, { offered, costMs, tiredMs: 99 }).taken).toBe(offered);
        },
      ),
    );
  });

  test("T2 one without takes on as much as it can do in its time, and never nothing", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.double({ min: 0.01, max: 500, noNaN: true }),
        (offered, costMs) => {
          const { taken } = turn(warm(costMs, 100), 10_000, { tiredMs: 101, offered, costMs });
          expect(taken).toBeGreaterThanOrEqual(1);
          if (taken > 1) expect(taken * costMs).toBeLessThan(100.001);
          if (taken < offered) expect((taken + 1) * costMs).toBeGreaterThan(99.999);
        },
      ),
    );
  });

  test("T2 calls that may fill a share of the time find less of it, and none after others took more", () => {
    expect(turn(warm(5, 100), 10_000, { tiredMs: 101, offered: 1_000, costMs: 5, share: 0.7 }).taken).toBe(14);
    const turns = warm(5, 100);
    turn(turns, 10_000, { tiredMs: 101, offered: 14, costMs: 5 });
    expect([turns.offer(0.7), turns.offer()]).toEqual([false, true]);
  });

  test("T3 few callers are all taken, whatever their calls cost", () => {
    const turns = warm(50, 40);
    for (let at = 0, startMs = 10_000; at < 20; at += 1) {
      const { taken, endMs } = turn(turns, startMs, {
        ...(at === 0 && { tiredMs: 500, before: 20 }),
        offered: 20,
        costMs: 50,
      });
      expect(taken).toBe(20);
      startMs = endMs;
    }
    expect(turn(warm(50, 40), 10_000, { tiredMs: 101, before: 21, offered: 20, costMs: 50 }).taken).toBe(1);
  });

  test("T4 what came while the loop stood still is taken, and less and less after that", () => {
    const turns = warm(5, 40);
    let { taken, endMs } = turn(turns, 10_000, { tiredMs: 1_500, offered: 1_000, costMs: 5 });
    expect(taken).toBe(150);
    for (let at = 0; at < 12; at += 1) {
      turns.start(endMs, { hasRested: false, rounds: 1 });
      let next = 0;
      for (let call = 0; call < 1_000; call += 1) {
        if (!turns.offer()) continue;
        turns.take();
        next += 1;
      }
      expect(next).toBeLessThanOrEqual(Math.max(8, taken * 0.75));
      endMs += next * 5;
      turns.end(next * 5);
      taken = next;
    }
    expect(taken).toBe(8);
    expect(turn(warm(5, 40), 100_000, { tiredMs: 60_000, offered: 1_000, costMs: 5 }).taken).toBe(200);
  });

  test("T4 a loop that stands still again and again without a rest gets no more for it than a second", () => {
    const turns = warm(5, 40);
    let startMs = 10_000;
    const taken: number[] = [];
    for (let at = 0; at < 30; at += 1) {
      const how = { ...(at === 0 && { tiredMs: 800 }), hasRested: false, offered: 1_000, costMs: 5 };
      const next = turn(turns, startMs, how);
      taken.push(next.taken);
      startMs = next.endMs + 700;
    }
    expect(taken[0]).toBe(80);
    expect(taken.reduce((sum, count) => sum + count * 5, 0)).toBeLessThan(30 * 40 + 4 * 1_000);
    expect(taken.slice(20)).toEqual(Array(10).fill(8));
  });

  test("T5 what refusals cost takes nothing from the calls that are taken", () => {
    fc.assert(
      fc.property(
        fc.double({ min: 0.2, max: 10, noNaN: true }),
        // All of them cost up to three times what the calls that are taken do, and each is known to two percent.
        fc.double({ min: 0.02, max: 0.12, noNaN: true }),
        fc.integer({ min: 300, max: 1_000 }),
        (costMs, refusalMs, offered) => {
          const turns = warm(costMs, 40);
          let startMs = 10_000;
          for (let at = 0; at < 40; at += 1) {
            const how = { ...(at === 0 && { tiredMs: 101 }), hasRested: false, offered, costMs, refusalMs };
            const { taken, endMs } = turn(turns, startMs, how);
            expect(taken).toBeGreaterThanOrEqual(Math.min(offered, Math.floor((40 / costMs) * 0.85)));
            if (at > 8) expect(taken).toBeLessThanOrEqual(Math.max(1, (40 / costMs) * 1.2));
            startMs = endMs;
          }
        },
      ),
    );
  });

  test("T2 a clock of processor time that goes by ticks of 4 ms tells what calls cost all the same", () => {
    const turns = new LoopTurns({ maxTurnMs: 40 });
    let workedMs = 0;
    let toldMs = 0;
    for (let at = 0; at < 400; at += 1) {
      turns.start(at * 1_000, { hasRested: true, rounds: 1 });
      turns.offer();
      turns.take();
      workedMs += 0.9;
      turns.end(Math.floor(workedMs / 4) * 4 - toldMs);
      toldMs = Math.floor(workedMs / 4) * 4;
    }
    const { taken } = turn(turns, 500_000, { tiredMs: 101, offered: 1_000, costMs: 0.9 });
    expect(taken).toBeGreaterThanOrEqual(40);
    expect(taken).toBeLessThanOrEqual(60);
  });

  test("T2 five times the load does not make turns longer and longer", () => {
    const turns = warm(5, 150);
    let startMs = 10_000;
    let lastMs = 5;
    for (let at = 0; at < 20; at += 1) {
      const { endMs } = turn(turns, startMs, { tiredMs: 101, offered: lastMs, costMs: 5 });
      lastMs = Math.ceil(endMs - startMs);
      expect(lastMs).toBeLessThanOrEqual(150);
      startMs = endMs;
    }
    expect(turns.waitMs).toBeLessThanOrEqual(150);
  });

  test("a call waited since the last turn began, unless the loop rested since", () => {
    const turns = new LoopTurns();
    turns.start(1_000, { hasRested: true, rounds: 1 });
    expect(turns.waitMs).toBe(0);
    turns.start(1_070, { hasRested: false, rounds: 1 });
    expect(turns.waitMs).toBe(70);
    turns.start(3_070, { hasRested: false, rounds: 100 });
    expect(turns.waitMs).toBe(20);
    turns.start(9_000, { hasRested: true, rounds: 7 });
    expect(turns.waitMs).toBe(0);
  });
});
