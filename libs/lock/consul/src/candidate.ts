import type { Clock, Log } from "@weft/kit";
import { type LockRecords, sessionTtlMs } from "./records.ts";

/** In milliseconds. What isn't done then, Consul does when the session's time is up. */
const cleanUpTimeoutMs = 1000;

interface CandidateOptions {
  readonly name: string;
  readonly ttlMs: number;
  readonly records: LockRecords;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who asks for a lock, with the session that the lease will have: opened when first needed, ended if none came of it. */
export class Candidate implements AsyncDisposable {
  readonly name: string;
  readonly ttlMs: number;
  readonly #options: CandidateOptions;
  #session: string | undefined;
  /** Since when the session is open, at the latest; on the monotonic clock. */
  #sinceMs = 0;

  constructor(options: CandidateOptions) {
    this.name = options.name;
    this.ttlMs = options.ttlMs;
    this.#options = options;
  }

  /** One that is not about to end. */
  async session(): Promise<string> {
    const { records, clock } = this.#options;
    if (clock.monotonic() - this.#sinceMs > sessionTtlMs.min / 2) await this.#drop();
    if (this.#session !== undefined) return this.#session;
    this.#sinceMs = clock.monotonic();
    return (this.#session = await records.openSession(this.name, this.ttlMs));
  }

  /** The lease has it now. */
  keep(): void {
    this.#session = undefined;
  }

  /** A lock that the session took without our knowing goes with it. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#drop();
  }

  async #drop(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    const { records, log } = this.#options;
    try {
      await records.endSession(session, cleanUpTimeoutMs);
    } catch (error) {
      log.warn({ err: error, lock: this.name }, "a session could not be ended; it expires");
    }
  }
}
