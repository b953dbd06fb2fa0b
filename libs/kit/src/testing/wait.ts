import { clearInterval, setInterval } from "node:timers";
import { setTimeout as sleep } from "node:timers/promises";

const lookMs = 5;
/** Most that counts of the time between two turns of the event loop, in milliseconds. */
const mostTurnMs = 50;

/**
 * Time as far as this process could run, from now on. On a machine that stalls, or has other work, seconds go by that
 * say nothing about the code: what has to come about within a second has it while the machine plays along.
 */
export class Stopwatch implements Disposable {
  #ms = 0;
  #last = performance.now();
  readonly #timer = setInterval(() => this.#turn(), lookMs).unref();

  /** Milliseconds. */
  get ms(): number {
    this.#turn();
    return this.#ms;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #turn(): void {
    const now = performance.now();
    this.#ms += Math.min(now - this.#last, mostTurnMs);
    this.#last = now;
  }
}

/**
 * Resolves when `holds` does; rejects after `ms` (of a {@link Stopwatch}), when a look that began then finds that it does
 * not: on a busy machine a look takes long too. For things of other processes, which no clock of a test can move.
 */
export async function within(ms: number, what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  using passed = new Stopwatch();
  for (;;) {
    const last = passed.ms > ms;
    if (await holds()) return;
    if (last) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(lookMs);
  }
}

/** Reads an async iterable in the background, and keeps what came. */
export class Recorder<T> {
  readonly values: T[] = [];
  /** Resolves when the iteration ended, rejects if it failed. */
  readonly ended: Promise<void>;
  #ended = false;

  constructor(source: AsyncIterable<T>) {
    this.ended = this.#read(source);
    // Whoever awaits `ended` hears of a failure; nobody has to.
    this.ended.catch(() => undefined);
  }

  get last(): T | undefined {
    return this.values.at(-1);
  }

  /** Resolves when the newest value satisfies `holds`; rejects after `ms`, or when the iteration ends before. */
  async until(ms: number, what: string, holds: (value: T) => boolean): Promise<void> {
    await within(ms, what, () => {
      if (this.last !== undefined && holds(this.last)) return true;
      if (this.#ended) throw new Error(`the iteration ended before: ${what}`);
      return false;
    });
  }

  async #read(source: AsyncIterable<T>): Promise<void> {
    try {
      for await (const value of source) this.values.push(value);
    } finally {
      this.#ended = true;
    }
  }
}
