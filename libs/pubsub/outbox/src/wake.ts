import type { Clock } from "@weft/kit";

/** A sleep that is cut short by what happened since `clear`. */
export class Wake {
  readonly #clock: Clock;
  #awake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): void {
    this.#awake.abort();
  }

  clear(): void {
    if (this.#awake.signal.aborted) this.#awake = new AbortController();
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const cut = AbortSignal.any([signal, this.#awake.signal]);
    await this.#clock.sleep(ms, cut).catch(() => undefined);
  }
}
