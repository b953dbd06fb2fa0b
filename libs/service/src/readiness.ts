import { type Clock, WeftError, withTimeout } from "@weft/kit";

/** Longest time that a check may take, and how long its result counts, in milliseconds. */
const limitMs = 1000;

/** Time between two looks of a process that waits for its dependencies, in milliseconds. */
const retryMs = 200;

export type Check = (signal: AbortSignal) => Promise<void>;

/** How a check went: `ok`, or what is wrong. */
export type CheckResult = "ok" | string;

export interface ReadinessReport {
  readonly status: "starting" | "ready" | "unready" | "draining";
  readonly checks: Readonly<Record<string, CheckResult>>;
}

/** Whether a process can take work: by the phase of its life and by the checks of its dependencies. */
export class Readiness {
  phase: "starting" | "serving" | "draining" = "starting";
  readonly #clock: Clock;
  readonly #checks = new Map<string, Check>();
  #last: { readonly at: number; readonly results: Promise<Record<string, CheckResult>> } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(name: string, check: Check): void {
    this.#checks.set(name, check);
    this.#last = undefined;
  }

  /**
   * Resolves with true when all checks have passed at once, and with false after `limitMs` or when `signal` aborts.
   * `Infinity` is no limit.
   */
  async passes(limitMs: number, signal: AbortSignal): Promise<boolean> {
    const from = this.#clock.monotonic();
    for (;;) {
      const results = await this.#run();
      if (signal.aborted) return false;
      if (Object.values(results).every((result) => result === "ok")) return true;
      if (this.#clock.monotonic() - from >= limitMs) return false;
      await this.#clock.sleep(retryMs, signal).catch(() => undefined);
    }
  }

  async report(): Promise<ReadinessReport> {
    const now = this.#clock.monotonic();
    if (this.#last === undefined || now - this.#last.at >= limitMs) {
      this.#last = { at: now, results: this.#run() };
    }
    const checks = await this.#last.results;
    if (this.phase !== "serving") return { status: this.phase, checks };
    const isFine = Object.values(checks).every((result) => result === "ok");
    return { status: isFine ? "ready" : "unready", checks };
  }

  async #run(): Promise<Record<string, CheckResult>> {
    const results = [...this.#checks].map(async ([name, check]): Promise<[string, CheckResult]> => {
      try {
        await withTimeout(check, { timeoutMs: limitMs, what: "the check", clock: this.#clock });
        return [name, "ok"];
      } catch (error) {
        const { reason, message } = WeftError.from(error);
        return [name, `${reason}: ${message}`];
      }
    });
    return Object.fromEntries(await Promise.all(results));
  }
}
