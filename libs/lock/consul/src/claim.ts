import type { Clock, Log } from "@weft/kit";
import { type LockRecords, sessionTtlMs } from "./records.ts";

/** For each of the two requests of a release, in milliseconds. What isn't done then, expires. */
const releaseTimeoutMs = 2000;

interface ClaimOptions {
  readonly name: string;
  readonly ttlMs: number;
  readonly session: string;
  /** On the monotonic clock: just before the record was written. */
  readonly sinceMs: number;
  readonly records: LockRecords;
  readonly clock: Clock;
  readonly log: Log;
}

/** What stands in Consul for a lease: its record, which is rewritten, and the session behind it, which is renewed. */
export class Claim {
  readonly #options: ClaimOptions;
  #beats = 0;
  #sessionRenewedMs: number;

  constructor(options: ClaimOptions) {
    this.#options = options;
    this.#sessionRenewedMs = options.sinceMs;
  }

  /** False when the session doesn't hold the lock any more. */
  async renew(timeoutMs: number): Promise<boolean> {
    const { name, ttlMs, session, records } = this.#options;
    const [held] = await Promise.all([
      records.renew(name, ttlMs, session, (this.#beats += 1), timeoutMs),
      this.#renewSession(timeoutMs),
    ]);
    return held;
  }

  async free(): Promise<void> {
    const { name, session, records } = this.#options;
    await records.free(name, session, releaseTimeoutMs);
    await records.endSession(session, releaseTimeoutMs);
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
}
