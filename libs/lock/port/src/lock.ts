export interface AcquireOptions {
  /** How long the lease outlives its holder's last sign of life, in milliseconds. Default 10,000; at least 100. */
  readonly ttlMs?: number;
  /** How long to wait for another holder, in milliseconds. Default 0: answer at once. */
  readonly waitMs?: number;
  /** Gives up the wait: `acquire` rejects with the signal's reason (`CANCELLED` if it is a mere abort). */
  readonly signal?: AbortSignal;
}

/** A lock that is held. Renewed by itself until it is released or lost. Disposing releases it. */
export interface Lease extends AsyncDisposable {
  readonly name: string;
  /** Fencing token: a store that remembers the highest it has seen can refuse a former holder (Kleppmann, 'How to do distributed locking', 2016). */
  readonly token: bigint;
  /**
   * Aborted with `LEASE_LOST` as soon as the holder can't be sure of the lease any more, which is before anybody else
   * can get it. Not aborted by `release`.
   */
  readonly lost: AbortSignal;
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Building block: locks, as leases with fencing tokens.
 *
 * Laws:
 * - `L1` At any time at most one lease of a name is held.
 * - `L2` Tokens of a name only grow, through releases, expiries and restarts.
 * - `L3` A lease whose holder died is free after at most one TTL (plus 1 s).
 * - `L4` A holder that can't renew sees `lost` before the TTL has passed since its last renewal.
 * - `L5` A waiter gets the lock within 1 s of its release.
 * - `L6` Releasing twice, or releasing a lost lease, does nothing to anybody else's.
 * - `L7` After dispose of the block, its leases are free for others, and their holders have seen `lost`.
 * - `L8` A bad name or option is `INVALID_ARGUMENT`.
 */
export interface Locks extends AsyncDisposable {
  /**
   * Undefined when the lock is still held by another after `waitMs`. `INVALID_ARGUMENT` for a name that is empty, over
   * 255 characters or not well-formed Unicode, or options out of range; `UNAVAILABLE` when the store can't be reached.
   */
  acquire(name: string, options?: AcquireOptions): Promise<Lease | undefined>;
}
