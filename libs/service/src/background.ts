import { errorCode } from "@weft/kit";
import type { Logger } from "@weft/telemetry";

export type Work = (signal: AbortSignal) => Promise<void>;

/** Work beside the calls: it begins when the process listens and goes on until it is told to end. */
export class Background {
  readonly #controller = new AbortController();
  readonly #running = new Set<Promise<void>>();
  readonly #log: Logger;
  readonly #onFailure: (name: string) => void;
  #waiting: (() => void)[] | undefined = [];

  /** @param onFailure called with the name of work that failed, or ended though nobody told it to */
  constructor(log: Logger, onFailure: (name: string) => void) {
    this.#log = log;
    this.#onFailure = onFailure;
  }

  add(name: string, work: Work): void {
    const begin = (): void => {
      const running = this.#run(name, work).finally(() => this.#running.delete(running));
      this.#running.add(running);
    };
    if (this.#waiting === undefined) begin();
    else this.#waiting.push(begin);
  }

  /** Begins what was added so far; what is added later begins at once. */
  start(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const begin of waiting) begin();
  }

  /** Tells all work to end, and resolves when it has. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await Promise.all(this.#running);
  }

  async #run(name: string, work: Work): Promise<void> {
    const { signal } = this.#controller;
    try {
      await work(signal);
      if (signal.aborted) return;
      this.#log.error({ background: name }, "background work ended by itself");
    } catch (err) {
      // An abort shows as an error in many libraries; any other failure counts, also while stopping.
      if (signal.aborted && isAbort(err)) return;
      this.#log.error({ background: name, err }, "background work failed");
    }
    this.#onFailure(name);
  }
}

function isAbort(error: unknown): boolean {
  return (error instanceof Error && error.name === "AbortError") || errorCode(error) === "CANCELLED";
}
