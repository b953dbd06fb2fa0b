import { backoffMs, type Clock, FailureLog, Latest, type Log, WeftError } from "@weft/kit";
import { type Blocking, maxBlockMs } from "./client.ts";

/** The least that a watch needs of an answer. */
export interface Indexed {
  /** Of the answer, for the next query. */
  readonly index: string | undefined;
}

/** What a watch sees: an answer, or that there is none at present. */
export type Sighting<Answer> =
  { readonly stale: false; readonly answer: Answer } | { readonly stale: true; readonly error: WeftError };

export interface WatchOptions<Answer extends Indexed> {
  /** One query; `blocking` is undefined for one that is to be answered at once. */
  readonly look: (blocking: Blocking | undefined, signal: AbortSignal) => Promise<Answer>;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** How long the next query may block, in milliseconds; at most and by default {@link maxBlockMs}. */
  readonly waitMs?: () => number;
  /** A number in [0, 1); default `Math.random`. */
  readonly random?: () => number;
}

/** Queries of one watch are at least this far apart, in milliseconds: a service in a flurry costs ten of them a second. */
const minGapMs = 100;
/** Of the pauses while Consul can't be asked: 100 ms doubling to this, with full jitter. In milliseconds. */
const maxPauseMs = 1000;

/**
 * Asks again and again, by blocking queries, until `signal` aborts; then ends without error. Gives each answer, changed or
 * not, and each failure; after one it asks without blocking, to know at once how things are.
 */
export async function* watch<Answer extends Indexed>(
  options: WatchOptions<Answer>,
): AsyncGenerator<Sighting<Answer>, void, undefined> {
  const { look, signal, clock, waitMs = () => maxBlockMs, random = Math.random } = options;
  let index: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    const startedMs = clock.monotonic();
    // Shorter by up to a quarter, so that watches which began together don't ask together for ever.
    const jitter = 1 - random() / 4;
    const blocking = index === undefined ? undefined : { index, waitMs: Math.min(waitMs(), maxBlockMs) * jitter };
    const sighting = await sight(() => look(blocking, signal));
    if (signal.aborted) return;
    failures = sighting.stale ? failures + 1 : 0;
    index = sighting.stale ? undefined : nextIndex(index, sighting.answer.index);
    yield sighting;
    const gapMs = startedMs + minGapMs - clock.monotonic();
    const pauseMs = failures > 0 ? backoffMs(failures, { maxMs: maxPauseMs, random }) : gapMs;
    if (pauseMs > 0) await clock.sleep(pauseMs, signal).catch(() => undefined);
  }
}

/**
 * The index to wait for after an answer; undefined asks without waiting. An index that went back belongs to a server that
 * was restored or replaced, and one that is not above 0 would never block
 * (https://developer.hashicorp.com/consul/api-docs/features/blocking, 'Implementation details').
 */
export function nextIndex(before: string | undefined, answered: string | undefined): string | undefined {
  if (answered === undefined || !/^[1-9]\d*$/.test(answered)) return undefined;
  return before !== undefined && BigInt(answered) < BigInt(before) ? undefined : answered;
}

export interface NewestOptions<Answer, View> {
  /** What a sighting makes of the view before it. */
  readonly view: (sighting: Sighting<Answer>, before: View | undefined) => View;
  /** A view equal to the one that the reader had last is not given again. */
  readonly equal: (a: View, b: View) => boolean;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** For the log: `the service 'user'`. */
  readonly what: string;
}

/** The view of what is watched as it changes, the newest only for a slow reader. Ends without error when `signal` aborts. */
export async function* newest<Answer, View>(
  open: (signal: AbortSignal) => AsyncIterable<Sighting<Answer>>,
  options: NewestOptions<Answer, View>,
): AsyncGenerator<View, void, undefined> {
  const { view, equal, signal, log, what } = options;
  const latest = new Latest(equal);
  const done = new AbortController();
  const pump = async (): Promise<void> => {
    let last: View | undefined;
    const gap = new FailureLog(log, {
      began: `${what} can't be watched; the last view stays`,
      ended: `${what} is watched again`,
    });
    for await (const sighting of open(AbortSignal.any([signal, done.signal]))) {
      if (sighting.stale) gap.failed(sighting.error);
      else gap.worked();
      last = view(sighting, last);
      latest.set(last);
    }
  };
  const pumping = pump().finally(() => latest.end());
  // A failure here is a bug, in a view; the reader hears of it.
  pumping.catch(() => undefined);
  try {
    yield* latest.values(signal);
  } finally {
    done.abort();
    await pumping;
  }
}

async function sight<Answer>(look: () => Promise<Answer>): Promise<Sighting<Answer>> {
  try {
    return { stale: false, answer: await look() };
  } catch (error) {
    return { stale: true, error: WeftError.from(error) };
  }
}
