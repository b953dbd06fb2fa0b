import { type Clock, isWeftError, withTimeout } from "@weft/kit";
import type { Logger } from "@weft/telemetry";

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
      this.failed = true;
      this.#log.error({ phase, err }, "a step of the stop failed");
    }
  }
}
