import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { Blocks, blockUrlDefaults, openPubSub, type Profile } from "@weft/blocks";
import { within } from "@weft/kit/testing";
import { startServer } from "@weft/native";
import type { FailurePolicy, PubSub } from "@weft/pubsub";
import { seconds } from "./plan.ts";
import { Stream } from "./stream.ts";

export interface SoakOptions {
  readonly profile: Profile;
  /** How long events are published, in milliseconds. */
  readonly forMs: number;
  /** One event in so many is one that its handler refuses for good. */
  readonly poisonEvery: number;
  /** For all that the run keeps. It exists. */
  readonly folder: string;
  /** Told how far it is. */
  readonly print: (line: string) => void;
  /** Of the handler of poison. Default: what every subscription has. */
  readonly failure?: FailurePolicy;
  /** Ends the run. */
  readonly signal?: AbortSignal;
}

/** How a soak went. Counts are of events. */
export interface SoakResult {
  /** Throughput of what is not poison, beside that of a topic without any: the median of slices side by side. */
  readonly ratio: number;
  readonly perSecond: number;
  readonly cleanPerSecond: number;
  readonly poison: number;
  /** Poison that was given up, each once. */
  readonly deadLetters: number;
  /** Dead letters beside those: of what is no poison, or a second time. */
  readonly wronged: number;
  /** Poison that was handled when the handler took it and it was redriven, each once. */
  readonly redriven: number;
  /** In the end never handled; handled more than once. */
  readonly missing: number;
  readonly repeated: number;
  /** Most memory that this process had, in MiB. */
  readonly rssMiB: number;
}

const sliceMs = 5000;
const leastPairs = 2;
const tellEvery = 10;
const startTimeoutMs = 300_000;
/** Beyond the delays of all retries. */
const giveUpTimeoutMs = 180_000;
const redriveTimeoutMs = 60_000;
/** What comes a second time does so soon. */
const settleMs = 2000;

/**
 * Publishes as fast as one consumer follows, in turns to a topic with poison in it and to one without. Then every poison
 * has to be a dead letter and nothing else, and to be handled once when its handler was mended and it was redriven.
 */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const { forMs, poisonEvery, print, failure, signal = new AbortController().signal } = options;
  await using stack = new AsyncDisposableStack();
  const pubsub = await openLog(options, stack);
  const isPoison = (number: number): boolean => number % poisonEvery === 0;
  const clean = stack.use(await Stream.open({ pubsub, name: "clean" }));
  const withFailure = failure === undefined ? {} : { failure };
  const poisoned = stack.use(await Stream.open({ pubsub, name: "poisoned", isPoison, ...withFailure }));

  const ratio = await compare({ clean, poisoned }, { forMs, print, signal });
  const { poison } = poisoned;
  const startedAt = performance.now();
  const look = async (): Promise<boolean> => {
    signal.throwIfAborted();
    await sleep(settleMs);
    return (await poisoned.givenUp()) >= poison;
  };
  await within(giveUpTimeoutMs, "everything that is poison is given up", look).catch((error: unknown) =>
    print(String(error)),
  );
  const letters = await poisoned.deadLetters();
  const given = new Set(letters.filter(isPoison));
  print(`${given.size} of ${poison} poison given up after ${seconds(performance.now() - startedAt)}`);

  const redriven = await poisoned.mend();
  const isHandled = (): boolean => poisoned.count(isPoison).missing === 0;
  await within(redriveTimeoutMs, "everything that was redriven is handled", async () => {
    await sleep(settleMs);
    return isHandled();
  }).catch((error: unknown) => print(String(error)));
  await sleep(settleMs);
  print(`${redriven} redriven, ${await poisoned.givenUp()} left`);
  const ofPoison = poisoned.count(isPoison);
  const counts = [clean.count(), poisoned.count()];
  return {
    ratio,
    perSecond: Math.round(poisoned.perSecond),
    cleanPerSecond: Math.round(clean.perSecond),
    poison,
    deadLetters: given.size,
    wronged: letters.length - given.size,
    redriven: poison - ofPoison.missing - ofPoison.repeated,
    missing: counts.reduce((sum, { missing }) => sum + missing, 0),
    repeated: counts.reduce((sum, { repeated }) => sum + repeated, 0),
    rssMiB: mib(process.resourceUsage().maxRSS * 1024),
  };
}

/** Fills both in turns; the median of how much slower the one with poison was. */
async function compare(
  { clean, poisoned }: { readonly clean: Stream; readonly poisoned: Stream },
  {
    forMs,
    print,
    signal,
  }: { readonly forMs: number; readonly print: SoakOptions["print"]; readonly signal: AbortSignal },
): Promise<number> {
  const ratios: number[] = [];
  const pairs = Math.max(leastPairs, Math.round(forMs / sliceMs / 2));
  for (let pair = 1; pair <= pairs; pair += 1) {
    const speeds = new Map<Stream, number>();
    // In turns the one or the other first: a machine that gets slower does so for both.
    for (const stream of pair % 2 === 0 ? [clean, poisoned] : [poisoned, clean]) {
      speeds.set(stream, await stream.publishFor(forMs / pairs / 2, signal));
    }
    ratios.push((speeds.get(poisoned) ?? 0) / (speeds.get(clean) ?? 0));
    const so = `${poisoned.perSecond.toFixed(0)} events/s with poison, ${clean.perSecond.toFixed(0)} without`;
    if (pair % tellEvery === 0 || pair === pairs)
      print(`pair ${pair} of ${pairs}: ${so}, ${mib(process.memoryUsage.rss())} MiB`);
  }
  return ratios.toSorted((a, b) => a - b)[Math.floor(pairs / 2)] ?? Number.NaN;
}

const leastRatio = 0.95;

/** Whether it went as it has to. `repeated` is told and no fault: events come at least once. */
export function isSound({ ratio, poison, deadLetters, wronged, redriven, missing }: SoakResult): boolean {
  return ratio >= leastRatio && deadLetters === poison && wronged === 0 && redriven === poison && missing === 0;
}

async function openLog({ profile, folder }: SoakOptions, stack: AsyncDisposableStack): Promise<PubSub> {
  const embedded = blockUrlDefaults("embedded");
  if (profile === "embedded") return openPubSub(new Blocks({ urls: embedded, dataDir: folder, stack }));
  const kafka = stack.use(await startServer("kafka", { dir: join(folder, "kafka"), startTimeoutMs }));
  return openPubSub(new Blocks({ urls: { ...embedded, pubsub: kafka.url }, dataDir: folder, stack }));
}

function mib(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}
