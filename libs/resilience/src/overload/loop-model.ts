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
}

/**
 * A server as Node runs it: calls wait in their sockets, unseen, until the event loop comes round; then all that have
 * come are taken or refused, and some of those taken work one after another, each then waiting for somebody else. What `Outcome`
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
  const { workMs, rate, priority: choose, random, stalls, slowness = () => 1 } = options;
  const method = "only";
  const outcomes: Outcome[] = [];
  const gapMs = (nowMs: number): number => (-Math.log(1 - random()) * 1_000) / rate(nowMs);
  let nowMs = 0;
  let cameMs = 0;
  let nextMs = gapMs(0);
  let stallMs = stalls?.everyMs ?? Number.POSITIVE_INFINITY;
  interface Call {
    readonly arrivedMs: number;
    readonly priority: Priority;
  }
  const taken: Call[] = [];
  // All wait equally long, so they end in the order in which they were worked on.
  const running: (Call & { readonly begunMs: number; readonly doneMs: number })[] = [];
  let leaving: Call[] = [];
  while (nowMs < options.durationMs) {
    const isBusy = taken.length > 0 || leaving.length > 0;
    const wakeMs = isBusy ? nowMs : Math.min(nextMs, running[0]?.doneMs ?? Number.POSITIVE_INFINITY);
    const hasRested = wakeMs - nowMs >= 1;
    nowMs = Math.max(nowMs, wakeMs);
    const ended: Call[] = [];
    for (let call = running[0]; call !== undefined && call.doneMs <= nowMs; call = running[0]) {
      running.shift();
      nowMs += endMs;
      admission.end(call.priority);
      admission.measure({ method, tookMs: nowMs - call.begunMs }, nowMs);
      ended.push(call);
    }
    const startedMs = nowMs;
    let workedMs = 0;
    const work = (ms: number): void => {
      workedMs += ms;
      nowMs += ms * slowness(startedMs);
    };
    const begin = (call: Call): void => {
      turns.begin();
      const begunMs = nowMs;
      work(workMs);
      running.push({ ...call, begunMs, doneMs: nowMs + options.waitMs });
    };
    const awayMs = nowMs - cameMs;
    cameMs = nowMs;
    const critical = taken.filter(({ priority }) => priority === "critical").length;
    turns.start(nowMs, { hasRested, awayMs, waiting: taken.length, critical });
    for (const readMs = nowMs; nextMs <= readMs; nextMs += gapMs(nextMs)) {
      const call = { arrivedMs: nextMs, priority: choose(random()) };
      if (turns.offer(call.priority) && admission.tryCall(call.priority, nowMs)) {
        turns.take(call.priority);
        // Critical ones keep their order before the others.
        const at = call.priority === "critical" ? taken.findIndex(({ priority }) => priority !== "critical") : -1;
        taken.splice(at < 0 ? taken.length : at, 0, call);
        continue;
      }
      work(refusalMs);
      turns.refuse(refusalMs);
      outcomes.push({ ...call, method, tookMs: undefined });
    }
    // What ended in this round leaves only in the next, as the end of an answer goes over the wire behind the answer.
    outcomes.push(...leaving.map((call) => ({ ...call, method, tookMs: nowMs - call.arrivedMs })));
    leaving = ended;
    for (let call = taken[0]; call !== undefined && turns.hasRound; call = taken[0]) {
      taken.shift();
      begin(call);
    }
    turns.end(workedMs);
    if (stalls !== undefined && nowMs >= stallMs) {
      nowMs += stalls.forMs;
      stallMs = nowMs + stalls.everyMs;
    }
  }
  return outcomes;
}
