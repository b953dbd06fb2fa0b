import { type Clock, type Log, WeftError } from "@weft/kit";
import type { Lease } from "@weft/lock";
import type { LockTable } from "./table.ts";

/** A holder gives up this part of the TTL before others may take over: for timers that come late. */
const safety = 0.1;

interface HeldLeaseOptions {
  readonly name: string;
  readonly token: bigint;
  readonly ttlMs: number;
  /** On the monotonic clock: just before the lease was written. */
  readonly sinceMs: number;
  readonly table: LockTable;
  readonly clock: Clock;
  readonly log: Log;
  readonly onEnd: () => void;
}

/** A lease that renews itself at a third of its TTL. */
export class HeldLease implements Lease {
  readonly name: string;
  readonly token: bigint;
  readonly #options: HeldLeaseOptions;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();

  constructor(options: HeldLeaseOptions) {
    this.name = options.name;
    this.token = options.token;
    this.#options = options;
    void this.#keepAlive();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    if (this.#ended.signal.aborted) return;
    this.#end();
    const { name, token, table, log } = this.#options;
    try {
      table.release(name, token);
    } catch (error) {
      // It expires by itself.
      log.warn({ err: error, lock: name }, "a lock could not be released; it expires");
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** For a block that closes under its holder: frees the lock and tells the holder. */
  abandon(): void {
    void this.release();
    this.#lost.abort(new WeftError("LEASE_LOST", `the lease of '${this.name}' ended: locks are closed`));
  }

  async #keepAlive(): Promise<void> {
    const { name, token, ttlMs, table, clock, log } = this.#options;
    let renewedMs = this.#options.sinceMs;
    let waitMs = ttlMs / 3;
    for (;;) {
      const leftMs = renewedMs + ttlMs * (1 - safety) - clock.monotonic();
      if (leftMs <= 0) return this.#lose("it could not be renewed in time");
      try {
        await clock.sleep(Math.min(waitMs, leftMs), this.#ended.signal);
      } catch {
        return;
      }
      const startedMs = clock.monotonic();
      if (startedMs - renewedMs >= ttlMs * (1 - safety)) continue;
      try {
        if (!table.renew(name, token, clock.now(), ttlMs)) return this.#lose("it expired or was taken over");
        renewedMs = startedMs;
        waitMs = ttlMs / 3;
      } catch (error) {
        log.warn({ err: error, lock: name }, "a lease could not be renewed; it will be tried again");
        waitMs = ttlMs / 10;
      }
    }
  }

  #lose(why: string): void {
    this.#end();
    this.#options.log.warn({ lock: this.name }, `a lease was lost: ${why}`);
    this.#lost.abort(new WeftError("LEASE_LOST", `the lease of '${this.name}' was lost: ${why}`));
  }

  #end(): void {
    this.#ended.abort();
    this.#options.onEnd();
  }
}
