import { type Clock, type Log, WeftError, withTimeout } from "@weft/kit";
import type { Lease } from "./lock.ts";

/** A holder gives up this part of the TTL before others may take over: for timers that come late. */
const safety = 0.1;

/** What an adapter knows of a lease that it has just been given. */
export interface HeldLeaseOptions {
  readonly name: string;
  readonly token: bigint;
  readonly ttlMs: number;
  /** On the monotonic clock: just before the lease was asked for. */
  readonly sinceMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /** Makes the lease last for another TTL from now; false when it has ended or is another's. */
  renew(): Promise<boolean>;
  /** Frees the lock if this lease still holds it. What fails here is logged: the lease expires. */
  free(): Promise<void>;
  /** After `free`, once. */
  onEnd(): void;
}

/**
 * A lease that renews itself at a third of its TTL, for adapters. `lost` comes a tenth of the TTL before others may have
 * it, counted from before the last renewal was sent: so however long the store took to answer, it never counts less than
 * the holder.
 */
export class HeldLease implements Lease {
  readonly name: string;
  readonly token: bigint;
  readonly #options: HeldLeaseOptions;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  #freed: Promise<void> | undefined;

  constructor(options: HeldLeaseOptions) {
    this.name = options.name;
    this.token = options.token;
    this.#options = options;
    void this.#keepAlive();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  release(): Promise<void> {
    this.#ended.abort();
    return (this.#freed ??= this.#free());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** For a block that closes under its holder: tells the holder, and frees the lock. */
  abandon(): Promise<void> {
    if (!this.#ended.signal.aborted) {
      this.#lost.abort(new WeftError("LEASE_LOST", `the lease of '${this.name}' ended: locks are closed`));
    }
    return this.release();
  }

  async #keepAlive(): Promise<void> {
    const { name, ttlMs, clock, log } = this.#options;
    const ended = this.#ended.signal;
    const validMs = ttlMs * (1 - safety);
    let renewedMs = this.#options.sinceMs;
    let waitMs = ttlMs / 3;
    for (;;) {
      const leftMs = renewedMs + validMs - clock.monotonic();
      if (leftMs <= 0) return this.#lose("it could not be renewed in time");
      await clock.sleep(Math.min(waitMs, leftMs), ended).catch(() => undefined);
      if (ended.aborted) return;
      const startedMs = clock.monotonic();
      const timeoutMs = Math.min(renewedMs + validMs - startedMs, ttlMs / 3);
      if (timeoutMs <= 0) continue;
      try {
        const what = `renewing the lease of '${name}'`;
        const held = await withTimeout(() => this.#options.renew(), { timeoutMs, what, signal: ended, clock });
        if (!held) return this.#lose("it expired or was taken over");
        renewedMs = startedMs;
        waitMs = ttlMs / 3;
      } catch (error) {
        if (ended.aborted) return;
        log.warn({ err: error, lock: name }, "a lease could not be renewed; it will be tried again");
        waitMs = ttlMs / 10;
      }
    }
  }

  #lose(why: string): void {
    this.#options.log.warn({ lock: this.name }, `a lease was lost: ${why}`);
    this.#lost.abort(new WeftError("LEASE_LOST", `the lease of '${this.name}' was lost: ${why}`));
    void this.release();
  }

  async #free(): Promise<void> {
    const { name, log, free, onEnd } = this.#options;
    try {
      await free();
    } catch (error) {
      log.warn({ err: error, lock: name }, "a lock could not be released; it expires");
    } finally {
      onEnd();
    }
  }
}
