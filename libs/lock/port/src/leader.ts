import { backoffMs, type BackoffOptions, type Clock, FailureLog, type Log, silentLog, systemClock } from "@weft/kit";
import type { Lease, Locks } from "./lock.ts";

export interface LeaderOptions {
  /** Ends it: the work's signal is aborted, and the leadership is handed on. */
  readonly signal: AbortSignal;
  /** TTL of the lease in milliseconds: how long others wait after a leader died. Default 10,000. */
  readonly ttlMs?: number;
  /** Pauses after failures. Default 100 ms doubling to 10 s, with full jitter. */
  readonly backoff?: BackoffOptions;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
}

/** One wait for the lock; then the campaign starts over. */
const campaignMs = 30_000;

/**
 * Campaigns for the lock `name`, and runs `work` while it is held; again after the leadership was lost, after `work`
 * failed, and after it resolved by itself (each with a pause). Of all processes that call this with one name, one works.
 *
 * The signal given to `work` aborts when the lease is lost or `signal` aborts: `work` must end soon then, and gets no
 * second run beside the first. What it writes must carry `lease.token`, or bear being done twice for a moment.
 *
 * Resolves when `signal` has aborted and `work` has ended; never rejects for a failure of `work` or of the lock's store,
 * which are logged.
 */
export async function runAsLeader(
  locks: Locks,
  name: string,
  work: (lease: Lease, signal: AbortSignal) => Promise<void>,
  options: LeaderOptions,
): Promise<void> {
  const { signal, ttlMs = 10_000, backoff = {}, clock = systemClock, log = silentLog } = options;
  const outage = new FailureLog(log, { began: "no lock can be had", ended: "locks can be had again" });
  let failures = 0;
  while (!signal.aborted) {
    const startedMs = clock.monotonic();
    let isLeading = false;
    try {
      await using lease = await locks.acquire(name, { ttlMs, waitMs: campaignMs, signal });
      outage.worked({ lock: name });
      if (lease === undefined) continue;
      isLeading = true;
      log.info({ lock: name, fencingToken: String(lease.token) }, "leading");
      await work(lease, AbortSignal.any([signal, lease.lost]));
    } catch (error) {
      if (signal.aborted) return;
      if (isLeading) log.warn({ err: error, lock: name }, "leading ended with a failure");
      else outage.failed(error, { lock: name });
    }
    // A turn that lasted was no failure to speak of.
    failures = clock.monotonic() - startedMs > (backoff.maxMs ?? 10_000) ? 1 : failures + 1;
    await clock.sleep(backoffMs(failures, backoff), signal).catch(() => undefined);
  }
}
