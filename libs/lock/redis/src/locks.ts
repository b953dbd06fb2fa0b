import { type Clock, type Log, type NewId, newUuid, type Secret, silentLog, systemClock, WeftError } from "@weft/kit";
import { type AcquireOptions, acquireDefaults, HeldLease, type Lease, type Locks } from "@weft/lock";
import { openRedis, type RedisClient } from "@weft/redis";
import { LockRecords } from "./records.ts";

export interface RedisLocksOptions {
  /** See `openRedis`. */
  readonly url: Secret;
  /** What a call to the server may take, in milliseconds. Default 2,000. */
  readonly timeoutMs?: number;
  /** For leases and waits. Leases end for others by the server's clock. Default: the machine's. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
  /** Names of holders. Default `newUuid`. */
  readonly newId?: NewId;
  /** A number in [0, 1), for the pauses of waiters. Default `Math.random`. */
  readonly random?: () => number;
}

/** A waiter looks again after a pause between these, in milliseconds: well within the second that it has (L5). */
const pauses = { minMs: 100, maxMs: 300 };

/**
 * Locks in one Redis, or one node of a cluster: all of a namespace are in one slot.
 *
 * Tokens are the server's time in microseconds, and more than any before (L2): so they grow as well where the server lost
 * data, unless its clock went back at the same time. What a server loses when it crashes (`appendfsync everysec`: up to a
 * second) or fails over (what the replica had not got) may be a lease: then two may hold a lock until the first sees
 * `lost` at its next renewal, and so may they when the server's clock jumps forward. As ever, tokens are what makes the
 * effects safe.
 *
 * `INVALID_CONFIGURATION` for a bad URL or user; `UNAVAILABLE` when the server does not answer within 10 s. Later errors
 * are those of `RedisClient`.
 */
export async function openRedisLocks(options: RedisLocksOptions): Promise<Locks> {
  const { url, timeoutMs = 2000, clock = systemClock, log = silentLog } = options;
  return new RedisLocks(await openRedis({ url, timeoutMs, clock, log }), options);
}

class RedisLocks implements Locks {
  readonly #redis: RedisClient;
  readonly #records: LockRecords;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #newId: NewId;
  readonly #random: () => number;
  readonly #leases = new Set<HeldLease>();
  readonly #tries = new Set<Promise<unknown>>();
  readonly #closed = new AbortController();

  constructor(redis: RedisClient, options: RedisLocksOptions) {
    const { clock = systemClock, log = silentLog, newId = newUuid, random = Math.random } = options;
    this.#redis = redis;
    this.#records = new LockRecords(redis);
    this.#clock = clock;
    this.#log = log;
    this.#newId = newId;
    this.#random = random;
  }

  async acquire(name: string, options: AcquireOptions = {}): Promise<Lease | undefined> {
    const { ttlMs, waitMs } = acquireDefaults(name, options);
    const closed = this.#closed.signal;
    const signal = options.signal === undefined ? closed : AbortSignal.any([options.signal, closed]);
    const deadline = this.#clock.monotonic() + waitMs;
    for (;;) {
      if (signal.aborted) throw WeftError.from(signal.reason);
      const trying = this.#try(name, ttlMs, signal);
      this.#tries.add(trying);
      const tried = await trying.finally(() => this.#tries.delete(trying));
      if (tried instanceof HeldLease) return tried;
      const leftMs = deadline - this.#clock.monotonic();
      if (leftMs <= 0) return undefined;
      const pauseMs = pauses.minMs + this.#random() * (pauses.maxMs - pauses.minMs);
      // The moment that a lease expires is known; that it is released is not.
      const untilFreeMs = tried.leftMs < 0 ? pauseMs : tried.leftMs + 1;
      await this.#clock.sleep(Math.min(leftMs, pauseMs, untilFreeMs), signal).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new WeftError("UNAVAILABLE", "locks are closed"));
    await Promise.all([...this.#leases].map((lease) => lease.abandon()));
    // One that gets its lock now gives it back.
    await Promise.allSettled(this.#tries);
    await this.#redis[Symbol.asyncDispose]();
  }

  async #try(name: string, ttlMs: number, signal: AbortSignal): Promise<HeldLease | { readonly leftMs: number }> {
    const claim = this.#newId();
    const free = (): Promise<void> => this.#records.free(name, claim);
    // Read before the request: `lost` must come before the lease ends for others.
    const sinceMs = this.#clock.monotonic();
    const taken = await this.#records.take(name, claim, ttlMs).catch((error: unknown) => {
      // It may have been taken all the same, and would be held by nobody until it expires.
      free().catch(() => undefined);
      throw error;
    });
    if (!taken.held) return taken;
    const lease = new HeldLease({
      ...{ name, token: taken.token, ttlMs, sinceMs, clock: this.#clock, log: this.#log, free },
      renew: () => this.#records.renew(name, claim, ttlMs),
      onEnd: () => void this.#leases.delete(lease),
    });
    this.#leases.add(lease);
    if (!signal.aborted) return lease;
    await lease.release();
    throw WeftError.from(signal.reason);
  }
}
