import type { Decision } from "@weft/resilience";
import type { Fault } from "./faults.ts";
import type { CallRecord, Summary } from "./world/record.ts";
import { type Contestant, World, type WorldOptions } from "./world/world.ts";

/** What happens to a mesh, with everything else as it usually is. */
export interface Scenario extends Omit<WorldOptions, "seed" | "contestant"> {
  readonly name: string;
  /** What happens, for the page. */
  readonly about: string;
  readonly fault?: Fault;
  /** Names of the policies that are compared beside those made for it; all by default. */
  readonly only?: readonly string[];
  /** How long it lasts. Default 10 s. */
  readonly lastsMs?: number;
}

/** What is looked at beside the report. */
export interface SimulateOptions {
  /** Told of every decision of every process. */
  readonly onDecision?: (decision: Decision, client: string) => void;
  /** Called in every simulated second. */
  readonly onSecond?: (world: World) => void;
}

/** When a fault begins: by then all is warm, and what is usual has been measured. In milliseconds. */
const warmMs = 2_000;
const faultMs = 5_000;
/** How long the simulation goes on after it. */
const afterMs = 5_000;
/** Spans in which it is looked whether all is well again. */
const spanMs = 500;

/** What a policy made of a scenario. */
export interface Report extends Summary {
  readonly scenario: string;
  readonly policy: string;
  readonly seed: number;
  /** Tries beyond the first of a call, for each call. */
  readonly retriesShare: number;
  /** Retries that went to an instance where the call had failed already, for each call. */
  readonly retriedThereShare: number;
  /** Second tries made before the first was answered, for each call. */
  readonly hedgesShare: number;
  /** Calls that went well in each second of the fault. */
  readonly goodputPerS: number;
  /** Most requests worked on by one instance for its weight, over the mean of all that were there all the time. */
  readonly maxOverMean: number;
  /** What each of them worked on, whatever its weight. */
  readonly worked: readonly number[];
  /** Jain's index of work for its weight: 1 is even, 1/n is all on one. */
  readonly fairness: number;
  /** From the beginning of the fault until p99 and failures were as before, in milliseconds; null: not while it lasted. */
  readonly recoveredMs: number | null;
  /** From the end of the fault, likewise; null: not before the end of the simulation. */
  readonly settledMs: number | null;
  /** Calls that never ended, or more than once. */
  readonly unaccounted: number;
}

/** Runs a scenario. The same seed gives the same report, and the same arrivals to every policy. */
export function simulate(
  scenario: Scenario,
  contestant: Contestant,
  seed: number,
  options: SimulateOptions = {},
): Report {
  const world = new World({ ...scenario, contestant, seed, onDecision: options.onDecision });
  const { timeline, record, load } = world;
  if (options.onSecond !== undefined) everySecond(world, options.onSecond);
  const untilMs = faultMs + (scenario.lastsMs ?? 10_000);
  const endMs = untilMs + afterMs;

  timeline.runUntil(faultMs);
  const workedBefore = new Map(world.instances.map((instance) => [instance, instance.worked]));
  const triedBefore = tried(world);
  const mend = scenario.fault?.(world) ?? (() => undefined);
  timeline.runUntil(untilMs);
  const stayed = world.instances.filter((instance) => workedBefore.has(instance) && instance.state !== "down");
  const worked = stayed.map((instance) => instance.worked - (workedBefore.get(instance) ?? 0));
  const weights = stayed.map(({ facts }) => facts.weight);
  const triedAfter = tried(world);
  mend();
  timeline.runUntil(endMs);
  load.stop();
  // Longer than any call may take.
  timeline.runUntil(endMs + 60_000);

  const summary = record.summary(faultMs, untilMs);
  const isWell = wellness(record);
  return {
    ...{ scenario: scenario.name, policy: contestant.name, seed },
    ...summary,
    retriesShare: (triedAfter.again - triedBefore.again) / summary.calls,
    retriedThereShare: (triedAfter.there - triedBefore.there) / summary.calls,
    hedgesShare: (triedAfter.hedged - triedBefore.hedged) / summary.calls,
    goodputPerS: summary.ok / ((untilMs - faultMs) / 1_000),
    ...evenness(worked.map((count, index) => count / (weights[index] ?? 1))),
    recoveredMs: untilWell(isWell, faultMs, untilMs),
    settledMs: untilWell(isWell, untilMs, endMs),
    worked,
    unaccounted: record.open + record.endedTwice,
  };
}

function everySecond(world: World, look: (world: World) => void): void {
  world.timeline.after(1_000, () => {
    look(world);
    everySecond(world, look);
  });
}

function tried({ clients }: World): { again: number; there: number; hedged: number } {
  const sum = { again: 0, there: 0, hedged: 0 };
  for (const client of clients) {
    sum.again += client.retried;
    sum.there += client.retriedThere;
    sum.hedged += client.hedged;
  }
  return sum;
}

function evenness(worked: readonly number[]): Pick<Report, "maxOverMean" | "fairness"> {
  const sum = worked.reduce((total, count) => total + count, 0);
  const squares = worked.reduce((total, count) => total + count * count, 0);
  if (sum === 0) return { maxOverMean: 1, fairness: 1 };
  return { maxOverMean: (Math.max(...worked) * worked.length) / sum, fairness: sum ** 2 / (worked.length * squares) };
}

/**
 * Whether p99 of the calls that began in a span is within 1.2 of what it was before, failed ones counted as slower than
 * any: one in a hundred may be, and three standard deviations more, as a span has few calls.
 */
function wellness(record: CallRecord): (fromMs: number) => boolean {
  const mostMs = 1.2 * record.summary(warmMs, faultMs).p99Ms;
  return (fromMs) => {
    let [calls, bad] = [0, 0];
    record.each(fromMs, fromMs + spanMs, (end, tookMs) => {
      calls += 1;
      if (end !== "ok" || tookMs > mostMs) bad += 1;
    });
    return bad <= calls / 100 + 3 * Math.sqrt(calls / 100);
  };
}

/** From the beginning of a stretch to the end of the last span in it that was not well. */
function untilWell(isWell: (fromMs: number) => boolean, fromMs: number, untilMs: number): number | null {
  let lastMs: number | null = 0;
  for (let spanFromMs = fromMs; spanFromMs < untilMs; spanFromMs += spanMs) {
    if (!isWell(spanFromMs)) lastMs = spanFromMs + spanMs - fromMs;
  }
  return lastMs === untilMs - fromMs ? null : lastMs;
}
