import type { Clock } from "@weft/kit";
import type { Server } from "./server.ts";
import { type Live, removeUnread } from "./siblings.ts";

/** How often it is asked whether an index that was replaced is still read, in milliseconds. */
const lookMs = 2000;
/** The longest time that one is kept for its readers, in milliseconds. */
const keepMs = 3_600_000;

/**
 * Removes indexes that were replaced, once nobody reads them: pages that are asked for later, scans, and processes that
 * do not know of the replacement yet. What is left when it is disposed is removed by the next reindex.
 */
export class Retirement implements AsyncDisposable {
  readonly #server: Server;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<void>>();

  constructor(server: Server, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  /** For the indexes beside a live one. */
  begin(live: Live): void {
    const running = this.#run(live).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#running);
  }

  async #run(live: Live): Promise<void> {
    const { signal } = this.#closing;
    const end = this.#clock.monotonic() + keepMs;
    for (let left = 1; left > 0 && this.#clock.monotonic() < end;) {
      // Long enough for every process to have heard of the replacement.
      await this.#clock.sleep(lookMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      left = await removeUnread(this.#server, live).catch(() => left);
    }
  }
}
