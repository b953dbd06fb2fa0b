import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { isWeftError } from "@weft/kit";
import type { CallOptions } from "@weft/rpc";
import { quantile } from "../result.ts";

type Priority = NonNullable<CallOptions["priority"]>;

/** Makes a call, which has a deadline. */
export type Call = (priority: Priority) => Promise<unknown>;

/** `refused`: turned down by our server, or by our client on its behalf; `lost`: late, or failed in another way. */
type Outcome = "answered" | "refused" | "lost";

/** How a call of the load went. */
export interface Sample {
  readonly priority: Priority;
  /** When it should have been made, in milliseconds since the start of the load. */
  readonly atMs: number;
  /** From then to its end. */
  readonly tookMs: number;
  readonly outcome: Outcome;
}

/** A part of a load: so many calls a second on average. */
export interface Phase {
  readonly perSecond: number;
  readonly seconds: number;
}

/**
 * Calls that come at random (Poisson), whether or not those before were answered: users don't wait for each other. A
 * phase begins when the one before ends, though calls of that may still run.
 */
export async function load(call: Call, phases: readonly Phase[]): Promise<readonly Sample[]> {
  const running: Promise<Sample>[] = [];
  const startMs = performance.now();
  let beginMs = 0;
  for (const { perSecond, seconds } of phases) {
    const endMs = beginMs + seconds * 1_000;
    for (let atMs = beginMs; atMs < endMs; atMs += (-Math.log(1 - Math.random()) * 1_000) / perSecond) {
      await until(startMs + atMs);
      running.push(sampleOf(call, startMs, atMs));
    }
    beginMs = endMs;
  }
  return Promise.all(running);
}

/** Callers that each make their next call when the one before has ended. */
export interface ClosedLoop {
  readonly callers: number;
  /** At first, and not counted. */
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** So long a caller of a closed loop rests after a call that failed, in milliseconds: to be refused takes no time. */
const restMs = 50;

/** Answered calls a second of a closed loop: all that a server can do, if the callers are enough to keep it busy. */
export async function peakOf(call: Call, { callers, warmUpSeconds, seconds }: ClosedLoop): Promise<number> {
  const countedMs = performance.now() + warmUpSeconds * 1_000;
  const endMs = countedMs + seconds * 1_000;
  let answered = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const outcome = await outcomeOf(call(priorityOf(Math.random())));
      const nowMs = performance.now();
      if (outcome !== "answered") await sleep(restMs);
      else if (nowMs >= countedMs && nowMs < endMs) answered += 1;
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return answered / seconds;
}

/** The calls that should have been made in this time, in milliseconds since the start of the load. */
export function between(samples: readonly Sample[], fromMs: number, toMs: number): readonly Sample[] {
  return samples.filter(({ atMs }) => atMs >= fromMs && atMs < toMs);
}

/** The share of calls that ended so; NaN when there were none. */
export function shareOf(samples: readonly Sample[], outcome: Outcome): number {
  return samples.filter((sample) => sample.outcome === outcome).length / samples.length;
}

/** Answers a second. */
export function goodput(samples: readonly Sample[], seconds: number): number {
  return samples.filter(({ outcome }) => outcome === "answered").length / seconds;
}

/** Time that a share of the answered calls stayed below, in milliseconds; `Infinity` when none was answered. */
export function answeredWithin(samples: readonly Sample[], share: number): number {
  const times = samples.filter(({ outcome }) => outcome === "answered").map(({ tookMs }) => tookMs);
  return times.length === 0 ? Number.POSITIVE_INFINITY : quantile(times, share);
}

const sliceMs = 250;
/** A second: a server that answers a few calls between two stalls has not recovered. */
const goodSlices = 4;

/**
 * Seconds from `sinceMs` on until all goes as usual for a second: nearly all calls are answered, half of them in little
 * more than the usual time. All of the `seconds` that are watched when that never comes.
 */
export function recovery(
  samples: readonly Sample[],
  watch: { readonly sinceMs: number; readonly seconds: number; readonly usualMedianMs: number },
): number {
  let good = 0;
  for (let afterMs = 0; afterMs < watch.seconds * 1_000; afterMs += sliceMs) {
    const fromMs = watch.sinceMs + afterMs;
    const slice = between(samples, fromMs, fromMs + sliceMs);
    // A slice without calls has no share, and is not good.
    const isGood = shareOf(slice, "answered") >= 0.95 && answeredWithin(slice, 0.5) <= 1.5 * watch.usualMedianMs;
    good = isGood ? good + 1 : 0;
    if (good === goodSlices) return (afterMs - (goodSlices - 1) * sliceMs) / 1_000;
  }
  return watch.seconds;
}

/** Until a time of `performance.now()`, and for a turn of the event loop at least: who is late must take answers. */
async function until(timeMs: number): Promise<void> {
  await turn();
  while (performance.now() < timeMs) await sleep(Math.max(1, timeMs - performance.now()));
}

async function sampleOf(call: Call, startMs: number, atMs: number): Promise<Sample> {
  const priority = priorityOf(Math.random());
  const outcome = await outcomeOf(call(priority));
  return { priority, atMs, tookMs: performance.now() - startMs - atMs, outcome };
}

async function outcomeOf(called: Promise<unknown>): Promise<Outcome> {
  try {
    await called;
    return "answered";
  } catch (error) {
    return isWeftError(error, "RESOURCE_EXHAUSTED", "BREAKER_OPEN") ? "refused" : "lost";
  }
}

/** One in twenty calls is critical, three are nobody's to wait for. */
function priorityOf(random: number): Priority {
  if (random < 0.05) return "critical";
  return random < 0.2 ? "batch" : "interactive";
}
