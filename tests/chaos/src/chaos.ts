import { rm } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import type { Profile } from "@weft/blocks";
import { account, countDifferences, type Difference } from "./account.ts";
import { Faults } from "./faults.ts";
import { History } from "./history.ts";
import type { MutantName } from "./ledger.ts";
import { planRound, type PlannedRound } from "./plan.ts";
import { Random } from "./random.ts";
import type { Report } from "./report.ts";
import { openWorld, serversOf, type World } from "./world.ts";
import { Witness } from "./witness.ts";
import { Writers } from "./writers.ts";

export interface ChaosOptions {
  readonly profile: Profile;
  readonly rounds: number;
  readonly seed: number;
  /** For all that the run keeps; removed when all is well. It exists. */
  readonly folder: string;
  readonly report: Report;
  /** How long a round is, in milliseconds. Default 5,000 embedded, 10,000 on the stack. */
  readonly roundMs?: number;
  /** After how many rounds the account is taken; it always is at the end. Default 5. */
  readonly accountEvery?: number;
  /** How long everything may take to agree when nothing is wrong any more and no event moves, in milliseconds. Default 120,000. */
  readonly quietMs?: number;
  /** Changes in a second. Default 40. */
  readonly perSecond?: number;
  /** A ledger that is wrong. */
  readonly mutant?: MutantName;
  /** Ends the run. */
  readonly signal?: AbortSignal;
}

/** How a run went. */
export interface ChaosResult {
  /** Changes that were acknowledged. */
  readonly accepted: number;
  /** Processes that were ended with SIGKILL. */
  readonly kills: number;
  readonly lost: number;
  readonly doubled: number;
  readonly resurrected: number;
  readonly seed: number;
}

const replicas = { gateway: 1, user: 2, indexer: 2, search: 2, notification: 2 };
const ledgers = 2;
const lookMs = 500;
/** For all servers and the mesh, in milliseconds: on a machine that has other work, too. */
const startTimeoutMs = 600_000;

/**
 * Runs the mesh under load and breaks something in every round; now and then and in the end nothing is broken, and an
 * account is taken of every change that was acknowledged. Stops at the first account with a difference.
 */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { profile, rounds, seed, folder, report, mutant, roundMs = profile === "embedded" ? 5000 : 10_000 } = options;
  const { accountEvery = 5, quietMs = 120_000, perSecond = 40 } = options;
  const limit = AbortSignal.timeout(startTimeoutMs + rounds * (roundMs + 2 * quietMs));
  const signal = options.signal === undefined ? limit : AbortSignal.any([options.signal, limit]);
  const name = `chaos${seed}`;
  const history = new History();
  let differences: readonly Difference[] = [];
  let kills = 0;
  {
    const opened = { profile, folder, replicas, ledgers, signal, ...(mutant === undefined ? {} : { mutant }) };
    await using world = await openWorld(opened);
    await using witness = await Witness.open(world, name);
    await using faults = new Faults(world);
    const random = new Random(seed);
    const writers = new Writers({ mesh: world.mesh, history, random, perSecond, name, signal });
    await using _writing = { [Symbol.asyncDispose]: () => writers.pause() };
    const surroundings = { seed, replicas, ledgers, servers: serversOf(profile), roundMs };
    writers.start();
    for (let number = 1; number <= rounds && differences.length === 0; number += 1) {
      const done = await carryOut(planRound(number, surroundings), { faults, roundMs, signal });
      report.round({ number, done, accepted: history.accepted });
      if (number % accountEvery !== 0 && number !== rounds) continue;
      await writers.pause();
      await faults.mendAll();
      const settled = await settle({ world, witness, history, writers, quietMs, signal });
      differences = settled.differences;
      report.account({ number, users: history.claims.users.size, accepted: history.accepted, ...settled });
      if (number < rounds && differences.length === 0) writers.start();
    }
    kills = faults.kills;
    report.answers(writers.answers);
  }
  if (differences.length === 0) await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  else report.differences(differences, folder);
  return { accepted: history.accepted, kills, ...countDifferences(differences), seed };
}

/** Inflicts the faults of a round, each at its time, and answers what was done at the end of it. */
async function carryOut(
  { faults: planned, mendsAll }: PlannedRound,
  { faults, roundMs, signal }: { readonly faults: Faults; readonly roundMs: number; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const inflicted = planned.map(async (fault) => {
    await sleep(fault.atMs, undefined, { signal });
    return faults.inflict(fault);
  });
  const [done] = await Promise.all([Promise.all(inflicted), sleep(roundMs, undefined, { signal })]);
  if (mendsAll) await faults.mendAll();
  return done;
}

interface Settled {
  readonly differences: readonly Difference[];
  /** How long it took until everything agreed, in milliseconds. */
  readonly tookMs: number;
}

interface SettleOptions {
  readonly world: World;
  readonly witness: Witness;
  readonly history: History;
  readonly writers: Writers;
  readonly quietMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits until everything agrees and no event is on its way, and looks once more then: what comes late may come twice.
 * The first look counts as it is that comes `quietMs` after the number of those events last shrank.
 */
async function settle({ world, witness, history, writers, quietMs, signal }: SettleOptions): Promise<Settled> {
  const startedAt = performance.now();
  let [movedAt, leastLag] = [startedAt, Infinity];
  let wasWell = false;
  for (;;) {
    const waitedMs = performance.now() - movedAt;
    try {
      const lag = await witness.lag();
      if (lag < leastLag) [movedAt, leastLag] = [performance.now(), lag];
      const found = [...waiting(lag), ...account(history.claims, await witness.evidence()), ...refusals(writers)];
      // Asked only when it is what is left: it takes a process of its own.
      const differences = found.length === 0 ? await unready(world) : found;
      const isWell = differences.length === 0;
      if ((isWell && wasWell) || waitedMs > quietMs) return { differences, tookMs: performance.now() - startedAt };
      wasWell = isWell;
    } catch (error) {
      if (waitedMs > 2 * quietMs) throw new Error("the account can't be taken", { cause: error });
      wasWell = false;
    }
    await sleep(lookMs, undefined, { signal });
  }
}

function waiting(events: number): readonly Difference[] {
  return events === 0 ? [] : [{ kind: "lost", what: `${events} events are on their way` }];
}

/** A process that does not come back is lost, too. */
async function unready({ mesh }: World): Promise<readonly Difference[]> {
  const others = (await mesh.status()).filter(({ state }) => state !== "ready");
  return others.map(({ service, state }) => ({ kind: "lost", what: `${service} is ${state}` }));
}

/** A right request that was turned down is a change lost. */
function refusals(writers: Writers): readonly Difference[] {
  return writers.refusals.map((what) => ({ kind: "lost", what: `turned down: ${what}` }));
}
