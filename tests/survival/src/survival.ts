import { setTimeout as sleep } from "node:timers/promises";
import type { Example } from "./callers.ts";
import { Windows } from "./histogram.ts";
import { Host } from "./host.ts";
import { Load } from "./load.ts";
import { type Decisions, decisionsOf, servedBy } from "./metrics.ts";
import { type Second, timelineOf } from "./recovery.ts";
import type { Scenario } from "./scenarios.ts";
import { judge, type Verdict } from "./verdict.ts";
import { crowded, lastReplica as sickNumber, type World } from "./world.ts";

export interface SurvivalOptions {
  /** How long calls count: a third before the fault, one with it, one after it. In milliseconds. */
  readonly forMs: number;
  /** The callers' first time, which does not count, in milliseconds. */
  readonly warmUpMs: number;
  readonly callers: number;
  /** Calls in a second, of all callers together. */
  readonly perSecond: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** How a scenario went. */
export interface Outcome {
  readonly scenario: string;
  /** Told beside the others and judged by nobody. Default false. */
  readonly isControl?: boolean;
  readonly verdict: Verdict;
  /** How often it was looked at. Default 1. */
  readonly runs?: number;
  /** Of the time that speed is judged by, how much the machine's host left alone; 1 where it does not tell. */
  readonly calmShare?: number;
  /** Of all calls during the fault, how many the sick replicas got; undefined when they can't say. */
  readonly sickShare: number | undefined;
  /** Sent again by the callers, at another gateway. */
  readonly resent: number;
  /** Answered by a fallback. */
  readonly degraded: number;
  /** How often each way to fail was met, most often first. */
  readonly failures: readonly (readonly [what: string, count: number])[];
  /** The first failures of calls that may be retried; `atMs` from the beginning of the fault. */
  readonly examples: readonly Example[];
  /** What the gateways decided about their calls since the fault began, by kind. */
  readonly decisions: Readonly<Record<string, number>>;
  /** Second by second, from the first that counts. */
  readonly timeline: readonly Second[];
}

/** A third takes longer until so much of its usual length was calm, up to so many times as long. */
const enoughCalm = 0.4;
const mostThirds = 2;
/** A fault comes when the host has taken nothing for so long, in milliseconds: what it does is seen at once. */
const calmMs = 2000;

/** Runs a scenario in a world where nothing is wrong, and leaves it so. */
export async function survive(scenario: Scenario, world: World, options: SurvivalOptions): Promise<Outcome> {
  const { forMs, warmUpMs, callers, perSecond, seed, signal } = options;
  await world.place(scenario.before);
  const { urls, token, ids } = world;
  await using load = await Load.open({ urls, token, ids, callers, seed, name: `${scenario.name}${seed}` });
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal });
  using host = new Host(() => load.now());
  const third = thirds({ load, host, forMs, pause });
  await load.pace(perSecond);
  await pause(warmUpMs);
  const beforeMs = load.now();
  await load.count();
  await third(beforeMs, true);

  const decidedBefore = await decisionsOf(world.gateways);
  const faultMs = load.now();
  await scenario.inflict(world, signal);
  // Who takes the calls of the sick is seen when that is settled.
  await pause(Math.min(scenario.recoveryMs ?? 0, forMs / 12));
  const servedFrom = await served(world, scenario);
  await third(faultMs, false);
  const servedTo = await served(world, scenario);
  const mendedMs = load.now();
  await scenario.mend(world);
  await pause(Math.max(0, mendedMs + forMs / 3 - load.now()));

  const endMs = load.now();
  const { tallies, windows: json, failures, examples, resent } = await load.end();
  const windows = Windows.from(json);
  const decided = await decisionsOf(world.gateways);
  await world.check();
  const healthy = countsSince(servedTo.healthy, servedFrom.healthy);
  const decisions = since(decided ?? new Map(), decidedBefore ?? new Map());
  const verdict = judge(
    {
      tallies,
      windows,
      telling: windows.where((atMs) => host.isCalm(atMs)),
      beforeMs,
      faultMs,
      mendedMs,
      endMs,
      served: healthy,
      retries: decided === undefined ? undefined : (decisions["retried"] ?? 0) + (decisions["hedged"] ?? 0),
    },
    { recoveryMs: scenario.recoveryMs },
  );
  return {
    scenario: scenario.name,
    verdict,
    calmShare: host.calmBetween(beforeMs, mendedMs) / (mendedMs - beforeMs),
    sickShare: shareOf(countsSince(servedTo.sick, servedFrom.sick), healthy),
    resent,
    degraded: tallies.read.degraded + tallies.write.degraded,
    failures: failures.toSorted(([, a], [, b]) => b - a),
    examples: examples.map((example) => ({ ...example, atMs: example.atMs - faultMs })),
    decisions,
    timeline: timelineOf(windows, beforeMs, faultMs, endMs),
  };
}

/** Waits for the end of the third of a run that began at a moment, which is calm on demand. */
export function thirds({
  load,
  host,
  forMs,
  pause,
}: {
  readonly load: Load;
  readonly host: Host;
  readonly forMs: number;
  readonly pause: (ms: number) => Promise<void>;
}): (fromMs: number, isCalmAtEnd: boolean) => Promise<void> {
  return async (fromMs, isCalmAtEnd) => {
    const isEnough = (): boolean =>
      host.calmBetween(fromMs, load.now()) >= (enoughCalm * forMs) / 3 &&
      (!isCalmAtEnd || host.stolenBetween(load.now() - calmMs, load.now()) === 0);
    await pause(Math.max(0, fromMs + forMs / 3 - load.now()));
    while (!isEnough() && load.now() < fromMs + (mostThirds * forMs) / 3) await pause(Windows.widthMs);
  };
}

/**
 * A rate that the machine holds, also with a replica less: this share of what a few callers get when they call without a
 * pause. The callers, two gateways and eight services share its processors; at half of it they have none to spare.
 */
const heldShare = 0.25;
const probeCallers = 64;
/** The first probe makes everything warm, the second counts. */
const probesMs = { first: 10_000, second: 5000 };

/** Calls a second that this world holds, found by trying. */
export async function findRate(world: World, { seed }: { readonly seed: number }): Promise<number> {
  const { urls, token, ids } = world;
  await using load = await Load.open({ urls, token, ids, callers: probeCallers, seed, name: `probe${seed}` });
  await load.probe(probeCallers, probesMs.first);
  return Math.max(1, Math.floor(heldShare * (await load.probe(probeCallers, probesMs.second))));
}

/** Calls by service, and in it by replica. */
type Counts = Readonly<Record<string, readonly number[]>>;

/** What the replicas have served since their start; of sick ones, also what was failed before them. */
async function served(
  world: World,
  { healthy, before: kind }: Scenario,
): Promise<{ readonly healthy: Counts; readonly sick: Counts }> {
  const countsOf = async (numbers: readonly number[]): Promise<Counts> => {
    const entries = crowded.map(async (service) => {
      const counts = numbers.map((number) => servedBy(world.replica(service, number)));
      return [service, await Promise.all(counts)] as const;
    });
    return numbers.length === 0 ? {} : Object.fromEntries(await Promise.all(entries));
  };
  const sick = kind === "nothing" ? {} : { ...(await countsOf([sickNumber])) };
  const { before } = world;
  if (before.kind === "calls") sick["failed"] = before.proxies.map(({ failed }) => failed);
  return { healthy: await countsOf(healthy), sick };
}

function countsSince(now: Counts, before: Counts): Counts {
  const entries = Object.entries(now);
  return Object.fromEntries(
    entries.map(([key, counts]) => [key, counts.map((count, at) => count - (before[key]?.[at] ?? 0))]),
  );
}

function shareOf(part: Counts, rest: Counts): number | undefined {
  const sum = (counts: Counts): number =>
    Object.values(counts)
      .flat()
      .reduce((total, one) => total + one, 0);
  return Object.keys(part).length === 0 ? undefined : sum(part) / (sum(part) + sum(rest));
}

/** What was decided meanwhile, by kind. Instances that are new have begun with none. */
function since(now: Decisions, before: Decisions): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const [instance, kinds] of now) {
    for (const [kind, count] of kinds) {
      counts[kind] = (counts[kind] ?? 0) + count - (before.get(instance)?.get(kind) ?? 0);
    }
  }
  return counts;
}
