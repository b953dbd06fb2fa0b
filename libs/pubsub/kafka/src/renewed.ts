import { backoffMs, type Clock, isWeftError, withTimeout, WeftError } from "@weft/kit";
import type { Client } from "./client.ts";
import { toWeftError } from "./errors.ts";

/** A client and what is used of it. */
interface Life<T> {
  readonly client: Client;
  readonly ready: Promise<T>;
}

/**
 * Something of a client that is used again and again, and begins afresh with a new client after every failure.
 */
export class Renewed<T> {
  readonly #newClient: () => Client;
  readonly #open: (client: Client) => Promise<T>;
  readonly #clock: Clock;
  #life: Life<T> | undefined;
  #closed = false;

  constructor(clock: Clock, newClient: () => Client, open: (client: Client) => Promise<T>) {
    this.#clock = clock;
    this.#newClient = newClient;
    this.#open = open;
  }

  /** Tries `work` once. */
  async once<R>(what: string, timeoutMs: number, work: (thing: T) => Promise<R>): Promise<R> {
    if (this.#closed) throw new WeftError("UNAVAILABLE", "publish/subscribe is closed");
    const life = (this.#life ??= this.#begin());
    try {
      return await withTimeout(async () => work(await life.ready), { timeoutMs, what: `kafka: ${what}` });
    } catch (cause) {
      // The time given to one try says nothing to whoever waits for the call.
      const error = isWeftError(cause, "DEADLINE_EXCEEDED")
        ? new WeftError("DEADLINE_EXCEEDED", `kafka: ${what} had no answer in time`, { cause })
        : toWeftError(cause, what);
      // After a refusal, too: a request that was refused in part leaves kafkajs' producer with sequence numbers that
      // were used, and the next events under them would pass for written.
      if (this.#life === life) {
        this.#life = undefined;
        life.client.destroy();
      }
      throw error;
    }
  }

  /** Tries `work`, which may be done twice, until it succeeds, fails for good, or the time is over. */
  async use<R>(what: string, timeoutMs: number, work: (thing: T) => Promise<R>): Promise<R> {
    const end = this.#clock.monotonic() + timeoutMs;
    for (let number = 1; ; number += 1) {
      const leftMs = end - this.#clock.monotonic();
      try {
        return await this.once(what, Math.max(1, leftMs), work);
      } catch (error) {
        const waitMs = backoffMs(number, { initialMs: 100, maxMs: 1000 });
        const over = this.#clock.monotonic() + waitMs >= end;
        if (over || this.#closed || !isWeftError(error, "UNAVAILABLE", "DEADLINE_EXCEEDED")) throw error;
        await this.#clock.sleep(waitMs);
      }
    }
  }

  /** Cuts the connections; every later use is refused. */
  close(): void {
    this.#closed = true;
    this.#life?.client.destroy();
  }

  #begin(): Life<T> {
    const client = this.#newClient();
    const ready = this.#open(client);
    // Whoever waits for it hears of it.
    ready.catch(() => undefined);
    return { client, ready };
  }
}
