import { type Clock, type Log, WeftError } from "@weft/kit";
import type { Lease } from "@weft/lock";
import { type LockRecords, sessionTtlMs } from "./records.ts";

/** A holder gives up this part of the TTL before others may take over: for timers that come late. */
const safety = 0.15;
/** A renewal that failed is tried again after this part of the TTL. */
const retry = 1 / 30;
/** For each of the two requests of a release, in milliseconds. What isn't done then, expires. */
const releaseTimeoutMs = 2000;

interface HeldLeaseOptions {
  readonly name: string;
  readonly token: bigint;
  readonly ttlMs: number;
  readonly session: string;
  /** On the monotonic clock: just before the lease was written. */
  readonly sinceMs: number;
  readonly records: LockRecords;
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
  #beats = 0;
  /** When the last renewal that succeeded began, on the monotonic clock. */
  #renewedMs: number;
  #sessionRenewedMs: number;
  #freed: Promise<void> | undefined;

  constructor(options: HeldLeaseOptions) {
    this.name = options.name;
    this.token = options.token;
    this.#options = options;
    this.#renewedMs = options.sinceMs;
    this.#sessionRenewedMs = options.sinceMs;
    void this.#keepAlive();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  async release(): Promise<void> {
    this.#ended.abort();
    await (this.#freed ??= this.#free());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** For a block that closes under its holder: tells the holder, then frees the lock. */
  abandon(): Promise<void> {
    if (!this.#ended.signal.aborted) {
      this.#lost.abort(new WeftError("LEASE_LOST", `the lease of '${this.name}' ended: locks are closed`));
    }
    return this.release();
  }

  async #keepAlive(): Promise<void> {
    const { ttlMs, clock } = this.#options;
    const ended = this.#ended.signal;
    let waitMs = ttlMs / 3;
    for (;;) {
      await clock.sleep(Math.min(waitMs, Math.max(0, this.#leftMs())), ended).catch(() => undefined);
      if (ended.aborted) return;
      const leftMs = this.#leftMs();
      if (leftMs <= 0) return this.#lose("it could not be renewed in time");
      const startedMs = clock.monotonic();
      const answered = new AbortController();
      const outcome = await Promise.race([
        this.#renew(leftMs).finally(() => answered.abort()),
        clock.sleep(Math.min(ttlMs / 3, leftMs), answered.signal).then(
          () => "slow" as const,
          () => "slow" as const,
        ),
      ]);
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
    const { name, ttlMs, session, records, clock, log } = this.#options;
    const startedMs = clock.monotonic();
    try {
      const [held] = await Promise.all([
        records.renew(name, ttlMs, session, (this.#beats += 1), timeoutMs),
        this.#renewSession(timeoutMs),
      ]);
      if (held) this.#renewedMs = Math.max(this.#renewedMs, startedMs);
      else this.#lose("it expired or was taken over");
      return "renewed";
    } catch (error) {
      if (!this.#ended.signal.aborted) {
        log.warn({ err: error, lock: name }, "a lease could not be renewed; it will be tried again");
      }
      return "failed";
    }
  }

  /** If it is time; never rejects. */
  async #renewSession(timeoutMs: number): Promise<void> {
    const { name, ttlMs, session, records, clock, log } = this.#options;
    const nowMs = clock.monotonic();
    if (nowMs - this.#sessionRenewedMs < Math.max(ttlMs, sessionTtlMs.min) / 3) return;
    try {
      await records.renewSession(session, timeoutMs);
      this.#sessionRenewedMs = nowMs;
    } catch (error) {
      // Tried again with the next beat. Should the session end before, so does the record, and the beat after tells.
      log.warn({ err: error, lock: name }, "the session of a lease could not be renewed");
    }
  }

  #lose(why: string): void {
    if (this.#ended.signal.aborted) return;
    this.#ended.abort();
    this.#options.log.warn({ lock: this.name }, `a lease was lost: ${why}`);
    this.#lost.abort(new WeftError("LEASE_LOST", `the lease of '${this.name}' was lost: ${why}`));
    this.#freed ??= this.#free();
  }

  /** Never rejects: what can't be freed expires. */
  async #free(): Promise<void> {
    const { name, session, records, log, onEnd } = this.#options;
    try {
      await records.free(name, session, releaseTimeoutMs);
      await records.endSession(session, releaseTimeoutMs);
    } catch (error) {
      log.warn({ err: error, lock: name }, "a lock could not be released; it expires");
    } finally {
      onEnd();
    }
  }
}
