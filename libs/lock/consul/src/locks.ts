import { type Blocking, type Consul, maxBlockMs, openConsul } from "@weft/consul";
import { type Clock, type Log, type Secret, WeftError } from "@weft/kit";
import { acquireDefaults, type AcquireOptions, HeldLease, type Lease, type Locks } from "@weft/lock";
import { Candidate } from "./candidate.ts";
import { Claim } from "./claim.ts";
import { Observations } from "./observations.ts";
import { type LockRecord, LockRecords, sessionTtlMs } from "./records.ts";

export interface ConsulLocksOptions {
  /** `consul://[:token@]host[:port][?namespace=weft&tls=true]`. */
  readonly url: Secret;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
  /** How long to wait for a Consul that is not there yet, in milliseconds. Default 10,000. */
  readonly openTimeoutMs?: number;
}

/** The longest pause after a try that failed, in milliseconds; the shortest is none. */
const maxRetryMs = 100;

/**
 * Locks in Consul: a lease is a key, held by a session, that is rewritten every third of its TTL. A waiter takes over a
 * key that it saw unchanged for one TTL, by its own clock; a holder's clock and the server's play no part. The session
 * removes the key of a dead holder whom nobody watched, at the latest after three times the TTL or 10 s, the longer.
 *
 * The lock `job` of the namespace `weft` is the key `weft/lock/job`. A TTL is at most 24 hours. With ACLs the token needs
 * `key_prefix "weft/lock/" { policy = "write" }` and `session_prefix "" { policy = "write" }`.
 *
 * `UNAVAILABLE` when Consul can't be reached, `PERMISSION_DENIED` when the token may not read the keys.
 */
export async function openConsulLocks(options: ConsulLocksOptions): Promise<Locks> {
  const signal = new AbortController().signal;
  const probe = (consul: Consul): Promise<unknown> => new LockRecords(consul).look("-", { signal });
  return new ConsulLocks(await openConsul({ ...options, probe }));
}

class ConsulLocks implements Locks {
  readonly #consul: Consul;
  readonly #records: LockRecords;
  readonly #observations: Observations;
  readonly #leases = new Set<HeldLease>();
  readonly #campaigns = new Set<Promise<unknown>>();
  readonly #closed = new AbortController();

  constructor(consul: Consul) {
    this.#consul = consul;
    this.#records = new LockRecords(consul);
    this.#observations = new Observations(consul.clock);
  }

  async acquire(name: string, options: AcquireOptions = {}): Promise<Lease | undefined> {
    const { ttlMs, waitMs } = acquireDefaults(name, options);
    if (ttlMs > sessionTtlMs.max) throw new WeftError("INVALID_ARGUMENT", "the TTL of a lock is at most 24 hours");
    const closed = this.#closed.signal;
    const signal = options.signal === undefined ? closed : AbortSignal.any([options.signal, closed]);
    const campaign = this.#campaign(name, ttlMs, waitMs, signal);
    this.#campaigns.add(campaign);
    try {
      return await campaign;
    } finally {
      this.#campaigns.delete(campaign);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort(new WeftError("UNAVAILABLE", "locks are closed"));
    // A campaign that gets its lock now gives it back.
    await Promise.allSettled([...[...this.#leases].map((lease) => lease.abandon()), ...this.#campaigns]);
    this.#consul[Symbol.dispose]();
  }

  async #campaign(name: string, ttlMs: number, waitMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    const { clock, log } = this.#consul;
    const endMs = clock.monotonic() + waitMs;
    await using candidate = new Candidate({ name, ttlMs, records: this.#records, clock, log });
    let blocking: Blocking | undefined;
    for (;;) {
      if (signal.aborted) throw WeftError.from(signal.reason);
      const { record, index } = await this.#records.look(name, { blocking, signal });
      const heldForMs = this.#observations.heldForMs(name, record);
      if (heldForMs <= 0) {
        const lease = await this.#take(candidate, record);
        // Not cut off by the signal, as a write that may have happened: so it may come too late.
        if (lease !== undefined && signal.aborted) await lease.release();
        else if (lease !== undefined) return lease;
      }
      const leftMs = endMs - clock.monotonic();
      if (leftMs <= 0) return undefined;
      if (heldForMs > 0 && index !== undefined) {
        blocking = { index, waitMs: Math.min(leftMs, heldForMs, maxBlockMs) };
        continue;
      }
      blocking = undefined;
      await clock.sleep(Math.min(leftMs, Math.random() * maxRetryMs), signal).catch(() => undefined);
    }
  }

  async #take(candidate: Candidate, over: LockRecord | undefined): Promise<HeldLease | undefined> {
    const { name, ttlMs } = candidate;
    const { clock, log } = this.#consul;
    const session = await candidate.session();
    // Read before the write: `lost` must come before the lease ends for others.
    const sinceMs = clock.monotonic();
    const token = await this.#records.take(name, ttlMs, session, over);
    if (token === undefined) return undefined;
    candidate.keep();
    const claim = new Claim({ name, ttlMs, session, sinceMs, records: this.#records, clock, log });
    const lease = new HeldLease({
      ...{ name, token, ttlMs, sinceMs, clock, log },
      renew: (timeoutMs) => claim.renew(timeoutMs),
      free: () => claim.free(),
      onEnd: () => void this.#leases.delete(lease),
    });
    this.#leases.add(lease);
    return lease;
  }
}
