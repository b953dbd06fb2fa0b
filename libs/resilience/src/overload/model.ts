import type { WorkedCall } from "./admission.ts";
import type { Priority } from "./priority.ts";

/** What decides who is taken, as the model sees it. */
export interface Gate {
  tryCall(priority: Priority, nowMs: number): boolean;
  end(call: WorkedCall & { readonly priority: Priority }, nowMs: number): void;
}

/** A kind of call: it works on the one processor, then waits for somebody else. */
export interface CallKind {
  readonly method: string;
  readonly cpuMs: number;
  readonly waitMs: number;
  readonly priority?: Priority;
  /** Calls a second, at a time. */
  readonly rate: (nowMs: number) => number;
}

/** How a call went. */
export interface Outcome {
  readonly method: string;
  readonly priority: Priority;
  readonly arrivedMs: number;
  /** Undefined for one that was refused. */
  readonly tookMs: number | undefined;
}

interface Event {
  readonly atMs: number;
  readonly run: () => void;
}

/**
 * A server with one processor that takes calls in turn, under calls that come at random (Poisson) and don't care how it
 * goes: nobody waits for an answer before the next call.
 */
export function runModel(
  gate: Gate,
  options: {
    readonly kinds: readonly CallKind[];
    readonly durationMs: number;
    readonly random: () => number;
    /** Nothing moves in these times. */
    readonly stalls?: readonly { readonly fromMs: number; readonly toMs: number }[];
  },
): readonly Outcome[] {
  const { kinds, durationMs, random, stalls = [] } = options;
  const outcomes: Outcome[] = [];
  const events = new Agenda();
  let freeMs = 0;
  /** When work that begins at a time and takes so long is done. */
  const done = (fromMs: number, takesMs: number): number => {
    let end = fromMs + takesMs;
    for (const stall of stalls) if (fromMs < stall.toMs && end > stall.fromMs) end += stall.toMs - stall.fromMs;
    return end;
  };
  for (const kind of kinds) {
    const { method, cpuMs, waitMs, priority = "interactive" } = kind;
    const arrive = (nowMs: number): void => {
      if (nowMs > durationMs) return;
      const rate = kind.rate(nowMs);
      const isIdle = rate === 0;
      const gapMs = isIdle ? 10 : (-Math.log(1 - random()) * 1_000) / rate;
      events.add({ atMs: nowMs + gapMs, run: () => arrive(nowMs + gapMs) });
      if (isIdle) return;
      if (!gate.tryCall(priority, nowMs)) {
        outcomes.push({ method, priority, arrivedMs: nowMs, tookMs: undefined });
        return;
      }
      freeMs = done(Math.max(freeMs, nowMs), cpuMs);
      // What others take varies: by half to either side.
      const endMs = done(freeMs, waitMs * (0.5 + random()));
      events.add({
        atMs: endMs,
        run: () => {
          gate.end({ method, priority, tookMs: endMs - nowMs }, endMs);
          outcomes.push({ method, priority, arrivedMs: nowMs, tookMs: endMs - nowMs });
        },
      });
    };
    arrive(0);
  }
  events.runUntil(durationMs);
  return outcomes;
}

/** Events by time: a binary heap. */
class Agenda {
  readonly #heap: Event[] = [];

  add(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#time(parent) <= event.atMs) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  runUntil(endMs: number): void {
    for (let next = this.#take(); next !== undefined && next.atMs <= endMs; next = this.#take()) next.run();
  }

  #take(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const least = this.#time(left + 1) < this.#time(left) ? left + 1 : left;
      if (this.#time(least) >= this.#time(at)) return first;
      this.#swap(at, least);
      at = least;
    }
  }

  #time(at: number): number {
    return this.#heap[at]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }
}
