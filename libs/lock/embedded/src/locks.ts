import { type Clock, type Log, silentLog, systemClock, WeftError } from "@weft/kit";
import { type AcquireOptions, acquireDefaults, HeldLease, type Lease, type Locks } from "@weft/lock";
import { LockTable } from "./table.ts";

export interface EmbeddedLocksOptions {
  /** The data folder; the locks are `lock.db` in it. */
  readonly dataDir: string;
  /** Default: the machine's. All processes of a data folder must agree on the time. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
}

/**
 * Locks in the data folder. Expiry goes by the machine's wall clock, which its processes share: should it jump forward,
 * a lease may be taken over before its holder knows; that is what fencing tokens are for. `UNAVAILABLE` when the folder
 * can't be used.
 */
export async function openEmbeddedLocks(options: EmbeddedLocksOptions): Promise<Locks> {
  return new EmbeddedLocks(options);
}

class EmbeddedLocks implements Locks {
  readonly #table: LockTable;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #leases = new Set<HeldLease>();
  readonly #closed = new AbortController();

  constructor({ dataDir, clock = systemClock, log = silentLog }: EmbeddedLocksOptions) {
    this.#table = new LockTable(dataDir);
    this.#clock = clock;
    this.#log = log;
  }

  async acquire(name: string, options: AcquireOptions = {}): Promise<Lease | undefined> {
    const { ttlMs, waitMs } = acquireDefaults(name, options);
    const closed = this.#closed.signal;
    const signal = options.signal === undefined ? closed : AbortSignal.any([options.signal, closed]);
    const deadline = this.#clock.monotonic() + waitMs;
    for (;;) {
      if (signal.aborted) throw WeftError.from(signal.reason);
      const lease = this.#try(name, ttlMs);
      const leftMs = deadline - this.#clock.monotonic();
      if (lease !== undefined || leftMs <= 0) return lease;
      await this.#waitForChange(name, leftMs, signal);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new WeftError("UNAVAILABLE", "locks are closed"));
    await Promise.all([...this.#leases].map((lease) => lease.abandon()));
    this.#table[Symbol.dispose]();
  }

  #try(name: string, ttlMs: number): Lease | undefined {
    // Read before the write: `lost` must come before the lease ends for others.
    const sinceMs = this.#clock.monotonic();
    const token = this.#table.take(name, this.#clock.now(), ttlMs);
    if (token === undefined) return undefined;
    const lease = new HeldLease({
      ...{ name, token, ttlMs, sinceMs, clock: this.#clock, log: this.#log },
      renew: async () => this.#table.renew(name, token, this.#clock.now(), ttlMs),
      free: async () => this.#table.release(name, token),
      onEnd: () => void this.#leases.delete(lease),
    });
    this.#leases.add(lease);
    return lease;
  }

  /** Until the lock looks free, the time is up, or `signal` aborts. Renewals of others wake it for one cheap look. */
  async #waitForChange(name: string, waitMs: number, signal: AbortSignal): Promise<void> {
    const free = new AbortController();
    using _changes = this.#table.onChange(() => {
      if (this.#heldForMs(name) <= 0) free.abort();
    });
    const stop = AbortSignal.any([signal, free.signal]);
    await this.#clock.sleep(Math.max(1, Math.min(waitMs, this.#heldForMs(name))), stop).catch(() => undefined);
    free.abort();
  }

  #heldForMs(name: string): number {
    try {
      return this.#table.expiresMs(name) - this.#clock.now();
    } catch {
      // The next try meets the same failure, and tells the caller.
      return 0;
    }
  }
}
