import { setTimeout as sleep } from "node:timers/promises";
import { Windows } from "./histogram.ts";
import { Host } from "./host.ts";
import { Load } from "./load.ts";
import { type Outcome, type SurvivalOptions, thirds } from "./survival.ts";
import { paceOf, recoveredAfter, timelineOf } from "./recovery.ts";
import { timesOf } from "./verdict.ts";
import type { World } from "./world.ts";

/** How soon calls are as fast as before once the flood is over, in milliseconds. */
const recoveryMs = 2000;

/**
 * All callers call without a pause, those that were turned down too: far more than the machine gives. Whoever is not
 * served has to be told so and when to come again; nothing else may happen to a call, and when it is over all is as
 * before. How much is served meanwhile is not judged here, where the callers take the processor from the mesh.
 */
export async function overload(world: World, options: SurvivalOptions): Promise<Outcome> {
  const { forMs, warmUpMs, callers, perSecond, seed, signal } = options;
  await world.place("nothing");
  const { urls, token, ids } = world;
  await using load = await Load.open({ urls, token, ids, callers, seed, name: `overload${seed}` });
  const pause = (ms: number): Promise<void> => sleep(ms, undefined, { signal });
  using host = new Host(() => load.now());
  const third = thirds({ load, host, forMs, pause });
  await load.pace(perSecond);
  await pause(warmUpMs);
  const beforeMs = load.now();
  await load.count();
  await third(beforeMs, false);
  await load.pace(0);
  const faultMs = load.now();
  await load.flood(forMs / 3);
  const mendedMs = load.now();
  await load.pace(perSecond);
  await third(mendedMs, false);
  const endMs = load.now();
  const { tallies, windows: json, failures, examples, resent } = await load.end();
  await world.check();

  const { read, write, once } = tallies;
  const failed = read.failed + write.failed - read.refused - write.refused;
  const windows = Windows.from(json);
  const telling = windows.where((atMs) => host.isCalm(atMs));
  const back = recoveredAfter(telling, [mendedMs, endMs], paceOf(telling, beforeMs, faultMs));
  const isBack = back !== undefined && back <= recoveryMs;
  return {
    scenario: "overload",
    verdict: {
      holds: failed === 0 && isBack,
      checks: [
        { name: "failed", holds: failed === 0, value: failed, limit: 0 },
        { name: "recovery", holds: isBack, value: back, limit: recoveryMs },
      ],
      calls: read.calls + write.calls + once.calls,
      failedOnce: once.failed - once.refused,
      ...timesOf({ windows, telling, beforeMs, faultMs, mendedMs, endMs }),
      evenness: {},
    },
    calmShare:
      (host.calmBetween(beforeMs, faultMs) + host.calmBetween(mendedMs, endMs)) /
      (faultMs - beforeMs + endMs - mendedMs),
    timeline: timelineOf(windows, beforeMs, faultMs, endMs),
    sickShare: undefined,
    resent,
    degraded: read.degraded + write.degraded,
    failures: failures.toSorted(([, a], [, b]) => b - a),
    examples: examples
      .filter(({ what }) => !what.includes(": refused "))
      .map((one) => ({ ...one, atMs: one.atMs - faultMs })),
    decisions: {},
  };
}
