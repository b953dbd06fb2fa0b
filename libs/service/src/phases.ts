import { type Clock, isWeftError, withTimeout } from "@weft/kit";
import type { Logger } from "@weft/telemetry";

/** Time for what is left of a step over its limit to be ended, in milliseconds. */
const cutMs = 2000;

/** Runs the steps of a stop one after the other. A step that fails is logged and the next one goes on. */
export class Phases {
  readonly #log: Logger;
  readonly #clock: Clock;
  /** Whether a step failed. */
  failed = false;

  constructor(log: Logger, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  /** A step over its limit ends the process at once, with exit code 1: nobody waits for ever for a process to stop. */
  async run(phase: string, limitMs: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const from = this.#clock.monotonic();
    let passed = false;
    try {
      await withTimeout(
        (signal) => {
          signal.addEventListener("abort", () => (passed = true), { once: true });
          return work(signal);
        },
        { timeoutMs: limitMs, what: phase, clock: this.#clock },
      );
      this.#log.debug({ phase, durationMs: Math.round(this.#clock.monotonic() - from) }, "stop phase done");
    } catch (err) {
      if (passed && isWeftError(err, "DEADLINE_EXCEEDED")) {
        this.#log.fatal({ phase, limitMs }, "the stop took too long: ending at once");
        process.exit(1);
      }
      this.#failed(phase, err);
    }
  }

  /** For work that ends at once, what it waits for unfinished, when its signal aborts: over its limit the stop goes on. */
  async runOrCut(phase: string, limitMs: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const over = new AbortController();
    const cut = (): void => {
      this.failed = true;
      this.#log.warn({ phase, limitMs }, "the stop took too long: ending what is left of this step");
      over.abort();
    };
    using _limit = this.#after(limitMs, cut);
    await this.run(phase, limitMs + cutMs, () => work(over.signal));
  }

  /** For work that the stop can do without: over its limit it is left to itself. */
  async runOrLeave(phase: string, limitMs: number, work: () => Promise<void>): Promise<void> {
    const enough = Promise.withResolvers<void>();
    const leave = (): void => {
      this.#log.warn({ phase, limitMs }, "the stop took too long: going on without this step");
      enough.resolve();
    };
    using _limit = this.#after(limitMs, leave);
    await Promise.race([work().catch((err: unknown) => this.#failed(phase, err)), enough.promise]);
  }

  #failed(phase: string, err: unknown): void {
    this.failed = true;
    this.#log.error({ phase, err }, "a step of the stop failed");
  }

  #after(limitMs: number, then: () => void): Disposable {
    const ended = new AbortController();
    this.#clock.sleep(limitMs, ended.signal).then(then, () => undefined);
    return { [Symbol.dispose]: () => ended.abort() };
  }
}
