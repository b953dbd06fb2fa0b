import { type Clock, FailureLog, type Log, WeftError, withTimeout } from "@weft/kit";
import type { Lease } from "./lock.ts";

/** A holder gives up this part of the TTL before others may take over: for timers that come late. */
const safety = 0.15;
/** A renewal that failed is tried again after this part of the TTL. */
const retry = 1 / 30;

/** What an adapter knows of a lease that it has just been given. */
export interface HeldLeaseOptions {
  readonly name: string;
  readonly token: bigint;
  readonly ttlMs: number;
  /** On the monotonic clock: just before the lease was asked for. */
  readonly sinceMs: number;
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Makes the lease last for another TTL from now; false when it has ended or is another's, which is final. An answer is
   * of no use after `timeoutMs`. A call that takes long is not the only one: another is made beside it.
   */
  renew(timeoutMs: number): Promise<boolean>;
  /** Frees the lock if this lease still holds it. What fails here is logged: the lease expires. */
  free(): Promise<void>;
  /** After `free`, once. */
  onEnd(): void;
}

/**
 * A lease that renews itself at a third of its TTL, for adapters. `lost` comes 15 % of the TTL before others may have it,
 * counted from before the last renewal was sent: so however long the store took to answer, it never counts less than the
 * holder.
 */
export class HeldLease implements Lease {
  readonly name: string;
  readonly token: bigint;
  readonly #options: HeldLeaseOptions;
  readonly #outage: FailureLog;
  readonly #lost = new AbortController();
  readonly #ended = new AbortController();
  /** When the last renewal that succeeded began, on the monotonic clock. */
  #renewedMs: number;
  #freed: Promise<void> | undefined;

  constructor(options: HeldLeaseOptions) {
    this.name = options.name;
    this.token = options.token;
    this.#options = options;
    this.#outage = new FailureLog(options.log, {
      began: "a lease could not be renewed; it will be tried again",
      ended: "the lease is renewed again",
    });
    this.#renewedMs = options.sinceMs;
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
    const { name, ttlMs, clock } = this.#options;
    const ended = this.#ended.signal;
    let waitMs = ttlMs / 3;
    for (;;) {
      const untilLostMs = this.#leftMs();
      if (untilLostMs <= 0) return this.#lose("it could not be renewed in time");
      await clock.sleep(Math.min(waitMs, untilLostMs), ended).catch(() => undefined);
      if (ended.aborted) return;
      const leftMs = this.#leftMs();
      if (leftMs <= 0) continue;
      const startedMs = clock.monotonic();
      const limit = { timeoutMs: Math.min(ttlMs / 3, leftMs), what: `renewing '${name}'`, signal: ended, clock };
      const outcome = await withTimeout(() => this.#renew(leftMs), limit).catch(() => "slow" as const);
      // One that takes long gets company and is not given up: its connection may be dead, or the server merely busy.
      if (outcome === "slow") waitMs = 0;
      else if (outcome === "failed") waitMs = ttlMs * retry;
      else waitMs = Math.max(0, startedMs + ttlMs / 3 - clock.monotonic());
    }
  }

  /** How much longer the holder may believe in the lease, in milliseconds. */
  #leftMs(): number {
    const { ttlMs, clock } = this.#options;
    return this.#renewedMs + ttlMs * (1 - safety) - clock.monotonic();
  }

  /** One try; never rejects. */
  async #renew(timeoutMs: number): Promise<"renewed" | "failed"> {
    const { name, clock, renew } = this.#options;
    const startedMs = clock.monotonic();
    try {
      if (!(await renew(timeoutMs))) this.#lose("it expired or was taken over");
      else if (!this.#ended.signal.aborted) this.#outage.worked({ lock: name });
      this.#renewedMs = Math.max(this.#renewedMs, startedMs);
      return "renewed";
    } catch (error) {
      if (!this.#ended.signal.aborted) this.#outage.failed(error, { lock: name });
      return "failed";
    }
  }

  #lose(why: string): void {
    if (this.#ended.signal.aborted) return;
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
