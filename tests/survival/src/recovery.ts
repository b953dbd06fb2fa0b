import { Windows } from "./histogram.ts";

/**
 * When calls are as fast as before, told from noise. What the machine's host takes away is left out before (see `Host`);
 * what is left stalls still, all processes together for 30 to 250 ms, in many seconds or in few. So the 99th percentile of a second with
 * nothing wrong is 10 ms or 270, and that of 20 s is decided by the worst two of them: which third of a run without a
 * fault is the slower one is a throw of dice. So like is compared with like, seconds with seconds, at both ends:
 *
 * - A window is a second, longer until it has 150 calls, and slides by 100 ms. Its pace is its 99th percentile.
 * - `normal` is the pace that 92 % of the windows were within before, `quiet` the one that 10 % were within: that of a
 *   second in which the machine did not stall.
 * - A window is as before when its pace is within `slowdown` (1.2) of `normal`.
 * - Calls have recovered with the first window as before from which on (1) 75 % are, up to the mending; (2) 60 % of
 *   those of the next three seconds are; and (3) 10 % are within `slowdown` of `quiet`.
 *
 * How many of twenty seconds are slow varies: with the same share wanted before and after, up to half of all runs without
 * a fault would fail, hence (1) asks for less. (2) keeps a lucky window amid slow ones from being taken for their end. (3)
 * finds what is slower all the time by less than the machine's own stalls, which hides from (1). What recovers in the
 * last quarter only has too little left to show it.
 */
export const rules = {
  leastSpanMs: 1000,
  /** The slowest of them is beyond the 99th percentile. More would make windows too few where calls are. */
  leastCalls: 150,
  /** Two bad seconds of twenty set it, one does not. */
  normalShare: 0.92,
  quietShare: 0.1,
  recoveredShare: 0.75,
  soonMs: 3000,
  soonShare: 0.6,
  /** Of the time; recovery is looked for in it. */
  tellingShare: 0.75,
} as const;

/** The numbers of {@link rules}; a test shows what each of them is for. */
export type Rules = { readonly [name in keyof typeof rules]: number };

/** How fast calls are; both in milliseconds, and NaN without calls. */
export interface Pace {
  /** What 92 % of the windows have their 99th percentile within. */
  readonly normalMs: number;
  /** What 10 % have. */
  readonly quietMs: number;
}

/** How fast the calls are that begin from one moment to another. */
export function paceOf(windows: Windows, fromMs: number, toMs: number, by: Rules = rules): Pace {
  const paces = pacesOf(windows, fromMs, toMs, by);
  return { normalMs: quantileOf(paces, by.normalShare), quietMs: quantileOf(paces, by.quietShare) };
}

/** The 99th percentile of each sliding window from one moment to another; a single one where that is too short. */
function pacesOf(windows: Windows, fromMs: number, toMs: number, by: Rules): readonly number[] {
  const paces: number[] = [];
  for (let at = fromMs; at + by.leastSpanMs <= toMs; at += Windows.widthMs) {
    let endMs = at + by.leastSpanMs;
    while (endMs < toMs && windows.countBetween(at, endMs) < by.leastCalls) endMs += Windows.widthMs;
    if (endMs > toMs || windows.countBetween(at, endMs) < by.leastCalls) break;
    paces.push(windows.between(at, endMs).quantile(0.99));
  }
  if (paces.length === 0 && windows.countBetween(fromMs, toMs) > 0) {
    return [windows.between(fromMs, toMs).quantile(0.99)];
  }
  return paces;
}

/**
 * How long after `fromMs` calls are as fast as before, by the rules above. By when calls begin: one that hangs for three
 * seconds counts to the moment at which its caller made it. Undefined when it does not happen.
 *
 * @param slowdown how much slower is as fast as before
 */
export function recoveredAfter(
  windows: Windows,
  [fromMs, toMs]: readonly [fromMs: number, toMs: number],
  before: Pace,
  slowdown = 1.2,
  by: Rules = rules,
): number | undefined {
  const paces = pacesOf(windows, fromMs, toMs, by);
  const fine = paces.map((pace) => pace <= before.normalMs * slowdown);
  const soon = by.soonMs / Windows.widthMs;
  const at = fine.findIndex(
    (isFine, from) =>
      isFine &&
      from < by.tellingShare * fine.length &&
      shareOf(fine.slice(from)) >= by.recoveredShare &&
      shareOf(fine.slice(from, from + soon)) >= by.soonShare &&
      quantileOf(paces.slice(from), by.quietShare) <= before.quietMs * slowdown,
  );
  if (at < 0) return undefined;
  // Nobody saw what was before the first call of that window.
  let foundMs = at * Windows.widthMs;
  let seenMs = Math.ceil((fromMs + foundMs) / Windows.widthMs) * Windows.widthMs;
  for (; windows.countBetween(seenMs, seenMs + Windows.widthMs) === 0; seenMs += Windows.widthMs) {
    foundMs += Windows.widthMs;
  }
  return foundMs;
}

/** The least of them that a share `q` is within; NaN of none. */
function quantileOf(all: readonly number[], q: number): number {
  return all.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(q * all.length) - 1)] ?? Number.NaN;
}

function shareOf(fine: readonly boolean[]): number {
  return fine.filter(Boolean).length / fine.length;
}

/** One second of a run. */
export interface Second {
  /** When it begins, in seconds from the beginning of the fault. */
  readonly at: number;
  readonly calls: number;
  /** In milliseconds; null without calls. */
  readonly p50: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/** What calls took, second by second, of those that begin from one moment to another; `zeroMs` is second 0. */
export function timelineOf(windows: Windows, fromMs: number, zeroMs: number, toMs: number): readonly Second[] {
  const seconds: Second[] = [];
  for (let at = Math.ceil((fromMs - zeroMs) / 1000); zeroMs + (at + 1) * 1000 <= toMs; at += 1) {
    const all = windows.between(zeroMs + at * 1000, zeroMs + (at + 1) * 1000);
    const [p50, p99, max] = [0.5, 0.99, 1].map((q) => (all.total === 0 ? null : Math.round(all.quantile(q) * 10) / 10));
    seconds.push({ at, calls: all.total, p50: p50 ?? null, p99: p99 ?? null, max: max ?? null });
  }
  return seconds;
}
