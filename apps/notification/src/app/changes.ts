import type { Clock } from "@weft/kit";

/** How often the store is asked while somebody waits, in milliseconds. */
const pollMs = 250;

export interface ChangesOptions {
  /** Something that is another after each change by any replica. */
  readonly stamp: () => Promise<string | undefined>;
  readonly clock: Clock;
  /** Hears of a store that can't be asked; waiting goes on. */
  readonly onError: (error: unknown) => void;
}

/**
 * Tells waiters that some inbox changed: at once when this replica did it, within a poll when another did. One poll
 * serves all waiters; without any there is none.
 */
export class Changes {
  readonly #options: ChangesOptions;
  readonly #waiting = new Set<() => void>();
  #version = 0;
  #stamp: string | undefined;
  #polling = false;

  constructor(options: ChangesOptions) {
    this.#options = options;
  }

  /** Read it before looking at the store; see {@link after}. */
  get version(): number {
    return this.#version;
  }

  /** Something changed here. */
  wake(): void {
    this.#version += 1;
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }

  /** Resolves when there was a change since `version`, or the signal aborts. */
  async after(version: number, signal: AbortSignal): Promise<void> {
    if (version !== this.#version || signal.aborted) return;
    const { promise, resolve: go } = Promise.withResolvers<void>();
    const resolve = (): void => go();
    this.#waiting.add(resolve);
    signal.addEventListener("abort", resolve, { once: true });
    if (!this.#polling) void this.#poll();
    await promise;
    signal.removeEventListener("abort", resolve);
    this.#waiting.delete(resolve);
  }

  async #poll(): Promise<void> {
    const { stamp, clock, onError } = this.#options;
    this.#polling = true;
    while (this.#waiting.size > 0) {
      try {
        const seen = await stamp();
        if (seen !== this.#stamp) this.wake();
        this.#stamp = seen;
      } catch (error) {
        onError(error);
      }
      await clock.sleep(pollMs);
    }
    this.#polling = false;
  }
}
