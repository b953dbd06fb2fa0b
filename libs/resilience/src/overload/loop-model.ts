import { Admission } from "./admission.ts";
import type { Outcome } from "./model.ts";
import type { Priority } from "./priority.ts";
import { LoopTurns } from "./turns.ts";

/** What a refusal costs, and what the end of a call does, in milliseconds. */
const refusalMs = 0.06;
const endMs = 0.05;

/** How the parts are put together; left out they are as the server does it. */
export interface LoopParts {
  readonly turns?: LoopTurns;
  readonly admission?: Admission;
  /** When a call counts as come. */
  readonly cameMs?: (nowMs: number, waitMs: number) => number;
}

/**
 * A server as Node runs it: calls wait in their sockets, unseen, until the event loop comes round; then all that have
 * come are taken or refused, and those taken work one after another, each then waiting for somebody else. What `Outcome`
 * tells is what callers see: the time in the socket is part of it.
 */
export function runLoop(
  parts: LoopParts,
  options: {
    readonly workMs: number;
    readonly waitMs: number;
    /** Calls a second, at a time. */
    readonly rate: (nowMs: number) => number;
    readonly priority: (random: number) => Priority;
    readonly durationMs: number;
    /** After this many milliseconds, and again and again, the loop stands still for a while. */
    readonly stalls?: { readonly everyMs: number; readonly forMs: number };
    /** What a millisecond of work takes on the clock, at a time: more than one on a machine that others fill. Default 1. */
    readonly slowness?: (nowMs: number) => number;
    readonly random: () => number;
  },
): readonly Outcome[] {
  const { turns = new LoopTurns(), admission = new Admission({}, () => true) } = parts;
  const { cameMs = (nowMs: number, waitMs: number) => nowMs - waitMs / 2 } = parts;
  const { workMs, rate, priority: choose, random, stalls, slowness = () => 1 } = options;
  const method = "only";
  const outcomes: Outcome[] = [];
  const gapMs = (nowMs: number): number => (-Math.log(1 - random()) * 1_000) / rate(nowMs);
  let nowMs = 0;
  let nextMs = gapMs(0);
  let stallMs = stalls?.everyMs ?? Number.POSITIVE_INFINITY;
  // All wait equally long, so they end in the order in which they were worked on.
  const waiting: { doneMs: number; cameMs: number; arrivedMs: number; priority: Priority }[] = [];
  while (nowMs < options.durationMs) {
    const wakeMs = Math.min(nextMs, waiting[0]?.doneMs ?? Number.POSITIVE_INFINITY);
    const hasRested = wakeMs - nowMs >= 1;
    nowMs = Math.max(nowMs, wakeMs);
    for (let call = waiting[0]; call !== undefined && call.doneMs <= nowMs; call = waiting[0]) {
      waiting.shift();
      nowMs += endMs;
      const { priority, arrivedMs } = call;
      admission.end({ method, priority, tookMs: nowMs - call.cameMs }, nowMs);
      outcomes.push({ method, priority, arrivedMs, tookMs: nowMs - arrivedMs });
    }
    if (nextMs > nowMs) continue;
    const startedMs = nowMs;
    let workedMs = 0;
    const work = (ms: number): void => {
      workedMs += ms;
      nowMs += ms * slowness(startedMs);
    };
    turns.start(startedMs, { hasRested, rounds: 1 });
    const came = cameMs(nowMs, turns.waitMs);
    const taken: { arrivedMs: number; priority: Priority }[] = [];
    for (const readMs = nowMs; nextMs <= readMs; nextMs += gapMs(nextMs)) {
      const call = { arrivedMs: nextMs, priority: choose(random()) };
      const hasRoom = turns.offer();
      if ((hasRoom || call.priority === "critical") && admission.tryCall(call.priority, nowMs)) {
        turns.take();
        taken.push(call);
        continue;
      }
      work(refusalMs);
      turns.refused(refusalMs);
      outcomes.push({ ...call, method, tookMs: undefined });
    }
    for (const call of taken) {
      work(workMs);
      waiting.push({ ...call, cameMs: came, doneMs: nowMs + options.waitMs });
    }
    turns.end(workedMs);
    if (stalls !== undefined && nowMs >= stallMs) {
      nowMs += stalls.forMs;
      stallMs = nowMs + stalls.everyMs;
    }
  }
  return outcomes;
}
