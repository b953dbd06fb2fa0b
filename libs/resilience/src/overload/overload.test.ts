import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Admission } from "./admission.ts";
import { laws, makeAdmission, type MakeSubject } from "./laws.ts";
import { seeded } from "./testing.ts";

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
  const end = (tookMs: number, nowMs: number): void => {
    admission.end(priority);
    admission.measure({ method: "some", tookMs }, nowMs);
  };
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
