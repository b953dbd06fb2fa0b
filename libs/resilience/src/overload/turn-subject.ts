import type { Priority } from "./priority.ts";
import type { LoopTurns, TurnOptions } from "./turns.ts";

interface Offer {
  readonly offered: number;
  readonly costMs: number;
  /** For so long the loop has not rested; it has just now when that is left out. */
  readonly tiredMs?: number;
  /** Calls that came in the turn before then. Default more than a few. */
  readonly before?: number;
  readonly priority?: Priority;
  /** Default: unless it is tired. */
  readonly hasRested?: boolean;
  /** Default 0. */
  readonly refusalMs?: number;
  /** What is measured of that. */
  readonly refusalTold?: (refusalMs: number) => number;
}

/** When the loop last came round. */
const lastMs = new WeakMap<LoopTurns, number>();

/** Brings the loop round. */
export function come(turns: LoopTurns, nowMs: number, hasRested: boolean, waiting = 0): void {
  turns.start(nowMs, { hasRested, awayMs: nowMs - (lastMs.get(turns) ?? nowMs), waiting });
  lastMs.set(turns, nowMs);
}

/** A turn of one round that takes all it may of `offered` calls; each costs `costMs`. What it took, and when it ended. */
export function turn(turns: LoopTurns, startMs: number, how: Offer) {
  if (how.tiredMs !== undefined) {
    come(turns, startMs - how.tiredMs, true);
    for (let call = 0; call < (how.before ?? 1_000); call += 1) turns.offer();
  }
  come(turns, startMs, how.hasRested ?? how.tiredMs === undefined);
  const { refusalMs = 0 } = how;
  let taken = 0;
  let workedMs = 0;
  for (let call = 0; call < how.offered; call += 1) {
    if (!turns.offer(how.priority)) {
      workedMs += refusalMs;
      turns.refuse(how.refusalTold?.(refusalMs) ?? refusalMs);
      continue;
    }
    turns.take();
    turns.begin();
    taken += 1;
    workedMs += how.costMs;
  }
  turns.end(workedMs);
  return { taken, endMs: startMs + workedMs };
}

/** Takes calls while there is room; how many, a thousand at most. */
export function fill(turns: LoopTurns, priority?: Priority): number {
  let taken = 0;
  for (; taken < 1_000 && turns.offer(priority); taken += 1) turns.take(priority);
  return taken;
}

/** Something to hold the laws against. */
export interface Subject extends AsyncDisposable {
  readonly open: (options?: TurnOptions) => LoopTurns;
  /** One that knows what calls cost. */
  readonly warm: (costMs: number, maxTurnMs: number) => LoopTurns;
}

export function subjectOf(open: Subject["open"]): Subject {
  return {
    open,
    warm: (costMs, maxTurnMs) => warmed(open({ maxTurnMs }), costMs),
    [Symbol.asyncDispose]: async () => {},
  };
}

function warmed(turns: LoopTurns, costMs: number): LoopTurns {
  const offered = Math.max(2, Math.ceil(20 / costMs) + 1);
  for (let at = 0; at < 8; at += 1) turn(turns, at * 1_000, { offered, costMs });
  return turns;
}
