import { readFileSync } from "node:fs";

/** How often it is looked, in milliseconds. */
const everyMs = 100;
/** A moment is calm when the host kept less than this share of the processors' time to itself. */
const mostStolen = 0.1;
/** Time around the beginning of a call that decides how long it takes, in milliseconds. */
const [beforeMs, afterMs] = [100, 500];

/** Processor time since the start of the machine, in ticks of all processors together. */
export interface Ticks {
  readonly all: number;
  /** Taken by the host, while something here wanted to run. */
  readonly stolen: number;
}

/** Reads the first line of `/proc/stat` (proc_stat(5)); undefined where it says nothing of the kind. */
export function ticksOf(stat: string): Ticks | undefined {
  const [name, ...fields] = (stat.split("\n", 1)[0] ?? "").trim().split(/\s+/);
  // User, nice, system, idle, iowait, irq, softirq, steal; time of guests is in user already.
  const ticks = fields.slice(0, 8).map(Number);
  if (name !== "cpu" || ticks.length < 8 || !ticks.every(Number.isFinite)) return undefined;
  return { all: ticks.reduce((sum, one) => sum + one, 0), stolen: ticks[7] ?? 0 };
}

/**
 * Watches what the host takes away from a virtual machine. On a machine of two processors it is half of their time in
 * some seconds and nothing in others, and the 99th percentile of calls follows it: such seconds say nothing of a mesh.
 * Where the system does not tell, every moment is calm.
 */
export class Host implements Disposable {
  readonly #now: () => number;
  readonly #read: () => Ticks | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #looks: { readonly atMs: number; readonly ticks: Ticks }[] = [];

  /** `now`: milliseconds from the beginning of the run. */
  constructor(now: () => number, read: () => Ticks | undefined = readTicks) {
    this.#now = now;
    this.#read = read;
    this.#timer = setInterval(() => this.look(), everyMs);
    this.look();
  }

  /** Once more than the timer does. */
  look(): void {
    const ticks = this.#read();
    if (ticks !== undefined) this.#looks.push({ atMs: this.#now(), ticks });
  }

  /** Share of the processors' time that was taken, about. */
  stolenBetween(fromMs: number, toMs: number): number {
    const from = this.#looks[Math.max(0, this.#countUntil(fromMs) - 1)];
    const to = this.#looks[Math.min(this.#looks.length - 1, this.#countUntil(toMs - 1))];
    if (from === undefined || to === undefined || to.ticks.all <= from.ticks.all) return 0;
    return (to.ticks.stolen - from.ticks.stolen) / (to.ticks.all - from.ticks.all);
  }

  /** Whether calls that began at that moment had the machine to themselves. */
  isCalm(atMs: number): boolean {
    return this.stolenBetween(atMs - beforeMs, atMs + afterMs) <= mostStolen;
  }

  /** How long it was calm, in milliseconds. */
  calmBetween(fromMs: number, toMs: number): number {
    let calmMs = 0;
    for (let at = fromMs; at < toMs; at += everyMs) if (this.isCalm(at)) calmMs += Math.min(everyMs, toMs - at);
    return calmMs;
  }

  /** How many looks there were by then; found by halves. */
  #countUntil(ms: number): number {
    let [low, high] = [0, this.#looks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#looks[middle]?.atMs ?? 0) <= ms) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}

function readTicks(): Ticks | undefined {
  try {
    return ticksOf(readFileSync("/proc/stat", "utf8"));
  } catch {
    // Another system than Linux.
    return undefined;
  }
}
