import { Admission } from "./admission.ts";
import { type CallKind, type Gate, type Outcome, runModel } from "./model.ts";
import { type Priority, priorities } from "./priority.ts";

/** Something that takes calls, as the laws see it. */
export interface Subject extends Gate {
  readonly limit: number;
}

/** Bounds given to a subject. */
export interface Bounds {
  readonly minLimit: number;
  readonly maxLimit: number;
}

/** Makes a subject; `isSaturated` is what its owner would tell. */
export type MakeSubject = (bounds?: Bounds, isSaturated?: () => boolean) => Subject;

/** The real one. */
export const makeAdmission: MakeSubject = (bounds, isSaturated) => {
  const admission = new Admission(bounds, isSaturated);
  return {
    get limit() {
      return admission.limit;
    },
    tryCall: (priority, nowMs) => admission.tryCall(priority, nowMs),
    end: (call, nowMs) => {
      admission.end(call.priority);
      admission.measure(call, nowMs);
    },
  };
};

/** Holds a law against a subject and says what is wrong; undefined when nothing is. */
export type Law = (make: MakeSubject, random: () => number) => string | undefined;

const at = (rate: number) => () => rate;
const from = (fromMs: number, toMs: number, during: number, otherwise: number) => (nowMs: number) =>
  nowMs >= fromMs && nowMs < toMs ? during : otherwise;

/** 5 ms of work and 20 ms of waiting: 200 calls a second are all that a processor can do. */
const usual = { method: "usual", cpuMs: 5, waitMs: 20 } as const;

/** A lowest limit that does not hide what the limiter does: as many calls of the model are done in 50 to 250 ms. */
const narrow: Bounds = { minLimit: 10, maxLimit: 10_000 };

/** The laws of limiter and admission by number; see their classes. */
export const laws: Readonly<Record<string, Law>> = {
  "L1 the limit stays within its bounds": (make, random) => {
    const subject = make({ minLimit: 4, maxLimit: 64 });
    let wrong: string | undefined;
    const watched: Gate = {
      tryCall: (priority, nowMs) => subject.tryCall(priority, nowMs),
      end: (...args) => {
        subject.end(...args);
        if (subject.limit < 4 || subject.limit > 64) wrong = `a limit of ${subject.limit}`;
      },
    };
    runModel(watched, {
      kinds: [{ ...usual, rate: (nowMs) => (Math.floor(nowMs / 3_000) % 2 === 0 ? 1_500 : 50) }],
      durationMs: 20_000,
      random,
    });
    return wrong;
  },

  "L2 whatever comes is taken while a server keeps up, stalls now and then": (make, random) => {
    const stalls = [
      { fromMs: 4_000, toMs: 4_200 },
      { fromMs: 9_000, toMs: 9_200 },
    ];
    const kinds: readonly CallKind[] = [
      { ...usual, rate: at(60) },
      { method: "slow", cpuMs: 1, waitMs: 500, rate: at(10) },
    ];
    return none(refused(runModel(make(), { kinds, durationMs: 15_000, random, stalls })));
  },

  "L2 a burst of quick calls is taken": (make, random) => {
    const kinds: readonly CallKind[] = [
      { method: "quick", cpuMs: 0.05, waitMs: 1, rate: from(3_000, 3_050, 30_000, 200) },
    ];
    return none(refused(runModel(make(), { kinds, durationMs: 5_000, random })));
  },

  "L3 L4 under five times of what it can do a server answers in time, and as many": (make, random) => {
    const kinds = [{ ...usual, rate: from(5_000, 25_000, 1_000, 100) }];
    const outcomes = runModel(make(narrow), { kinds, durationMs: 25_000, random });
    const during = outcomes.filter(({ arrivedMs }) => arrivedMs >= 6_000 && arrivedMs < 24_000);
    const late = share(during, 0.99);
    if (late > 260) return `${late.toFixed()} ms at the 99th percentile`;
    const answered = during.filter(({ tookMs }) => tookMs !== undefined && tookMs < 1_000).length / 18;
    return answered < 185 ? `only ${answered.toFixed()} answers a second` : undefined;
  },

  "L3 L4 and so does one whose calls wait for somebody who is full": (make, random) => {
    // The processor of the model stands for a database; the server itself has time to spare.
    const kinds = [{ method: "query", cpuMs: 10, waitMs: 5, rate: from(5_000, 25_000, 300, 50) }];
    const outcomes = runModel(
      make(narrow, () => false),
      { kinds, durationMs: 25_000, random },
    );
    const during = outcomes.filter(({ arrivedMs }) => arrivedMs >= 6_000 && arrivedMs < 24_000);
    const late = share(during, 0.99);
    if (late > 400) return `${late.toFixed()} ms at the 99th percentile`;
    const answered = during.filter(({ tookMs }) => tookMs !== undefined).length / 18;
    return answered < 93 ? `only ${answered.toFixed()} answers a second` : undefined;
  },

  "L5 two seconds after an overload everybody is taken again": (make, random) => {
    const kinds = [{ ...usual, rate: from(3_000, 10_000, 1_000, 120) }];
    const outcomes = runModel(make(), { kinds, durationMs: 20_000, random });
    return none(refused(outcomes.filter(({ arrivedMs }) => arrivedMs > 12_000)));
  },

  "L5 and when nobody calls for a while": (make, random) => {
    const kinds: readonly CallKind[] = [
      { ...usual, rate: from(0, 6_000, 1_000, 0) },
      { method: "quick", cpuMs: 0.05, waitMs: 10, rate: from(12_000, 12_020, 20_000, 0) },
    ];
    const outcomes = runModel(make(), { kinds, durationMs: 14_000, random });
    return none(refused(outcomes.filter(({ arrivedMs }) => arrivedMs > 11_000)));
  },

  "L6 another mix of fast and slow methods changes nothing": (make, random) => {
    const kinds: readonly CallKind[] = [
      { method: "fast", cpuMs: 0.2, waitMs: 1, rate: from(8_000, 12_000, 100, 1_000) },
      { method: "slow", cpuMs: 0.2, waitMs: 400, rate: from(8_000, 12_000, 400, 100) },
    ];
    return none(refused(runModel(make(), { kinds, durationMs: 14_000, random })));
  },

  "L7 who waits for a target that has become slow for good is taken again": (make, random) => {
    const subject = make();
    const slowed: Gate = {
      tryCall: (priority, nowMs) => subject.tryCall(priority, nowMs),
      end: (...args) => subject.end(...args),
    };
    const before: CallKind = { method: "remote", cpuMs: 0.1, waitMs: 20, rate: from(0, 5_000, 500, 0) };
    const after: CallKind = { method: "remote", cpuMs: 0.1, waitMs: 300, rate: from(5_000, 30_000, 500, 0) };
    const outcomes = runModel(slowed, { kinds: [before, after], durationMs: 30_000, random });
    return none(refused(outcomes.filter(({ arrivedMs }) => arrivedMs > 20_000)));
  },

  "L7 but not when it is slow by its own doing": (make, random) => {
    const kinds = [{ ...usual, cpuMs: 25, waitMs: 5, rate: from(3_000, 60_000, 100, 15) }];
    const outcomes = runModel(
      make(narrow, () => true),
      { kinds, durationMs: 60_000, random },
    );
    const late = share(
      outcomes.filter(({ arrivedMs }) => arrivedMs > 30_000),
      0.99,
    );
    return late > 500 ? `${late.toFixed()} ms at the 99th percentile` : undefined;
  },

  "A2 under overload no critical call is refused, and batch gives way first": (make, random) => {
    const kinds: readonly CallKind[] = priorities.map((priority) => ({
      ...usual,
      priority,
      rate: from(2_000, 12_000, rates[priority] * 5, rates[priority] / 2),
    }));
    const outcomes = runModel(make(), { kinds, durationMs: 15_000, random });
    const shares = priorities.map((priority) => {
      const those = outcomes.filter((one) => one.priority === priority && one.arrivedMs > 3_000);
      return refused(those) / those.length;
    });
    const [critical = 1, interactive = 1, batch = 0] = shares;
    if (critical > 0) return `${(critical * 100).toFixed(2)} % of the critical calls were refused`;
    return batch < interactive + 0.1 ? `batch ${batch.toFixed(2)}, interactive ${interactive.toFixed(2)}` : undefined;
  },
};

/** Together all that the processor can do. */
const rates: Readonly<Record<Priority, number>> = { critical: 10, interactive: 110, batch: 80 };

function refused(outcomes: readonly Outcome[]): number {
  return outcomes.filter(({ tookMs }) => tookMs === undefined).length;
}

function none(count: number): string | undefined {
  return count === 0 ? undefined : `${count} refused`;
}

/** The time that a share of the answered calls stayed below. */
function share(outcomes: readonly Outcome[], part: number): number {
  const times = outcomes.flatMap(({ tookMs }) => tookMs ?? []).sort((a, b) => a - b);
  return times[Math.floor(times.length * part)] ?? 0;
}
