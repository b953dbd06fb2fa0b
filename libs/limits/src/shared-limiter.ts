import { type Clock, FailureLog, isWeftError, type Log, silentLog, systemClock } from "@weft/kit";
import {
  type Draw,
  Limiter,
  type OnDecision,
  type Quota,
  RecentKeys,
  type Standing,
  type Verdict,
} from "@weft/resilience";
import type { CacheStore } from "@weft/state";
import { borrow, storeKey } from "./borrow.ts";
import { Share } from "./share.ts";

export interface SharedLimiterOptions {
  /** Limits by name: letters, digits and dashes. */
  readonly quotas: Readonly<Record<string, Quota>>;
  /** Where processes share. It should fail soon rather than hang: see `boundedStore`. */
  readonly store: CacheStore;
  /** Of the process, for decisions. */
  readonly service: string;
  /** Keys of each limit that are kept in this process at most. Default 20,000. */
  readonly maxKeys?: number;
  /** How long borrowed calls are good, in milliseconds. Default 1,000. */
  readonly leaseMs?: number;
  readonly onDecision?: OnDecision;
  /** A line when the store is lost and one when it is back. Default: silent. */
  readonly log?: Log;
  /** Processes share by its wall clock. */
  readonly clock?: Clock;
}

/** How long a store that failed is left alone, in milliseconds. */
const pauseMs = 1000;
/** Rounds in which a call may find that others took what was borrowed; then it is refused. */
const maxRounds = 10;

interface Shares {
  readonly quota: Quota;
  readonly byKey: RecentKeys<Share>;
}

/**
 * Limits on the rate of calls that several processes hold together. Each has a limiter of its own, takes a small part of
 * every quota for nothing, and beyond that borrows calls from one bucket for each key in the store, some at a time. So
 * callers far below their limit cost the store nothing, and those near it a few writes a second and process.
 *
 * Laws, with `N` processes, a quota of `count` calls in `windowMs`, and `free` = 2 % of `count`, at least 1:
 * - `S1` One process takes no more than a `Limiter` with the same quota, whatever the store does.
 * - `S2` In any `t` milliseconds all of them together take at most `count + N × free` calls at once, and
 *   `(t + leaseMs) × count / windowMs + N × t × free / windowMs` over time; as many more as the quota gives in the time by
 *   which their wall clocks differ.
 * - `S3` When the processes want more than the quota they take the whole of it.
 * - `S4` A call is taken when every limit that it draws from has room; a refused one counts in none.
 * - `S5` Without the store each process limits by itself, with the whole quota, and no call fails or waits for long; that
 *   and the way back are told. A store that failed is left alone for a second.
 * - `S6` A call that a process can decide by itself is decided at once; of `n` calls of one key at full rate, about `20 n /
 *   count` ask the store.
 * - `S7` Keys are kept as by `Limiter` (L3); one that is pushed out gains nothing, as the store remembers it.
 */
export class SharedLimiter {
  readonly #local: Limiter;
  readonly #options: SharedLimiterOptions;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #lines: FailureLog;
  readonly #shares = new Map<string, Shares>();
  /** Set while the store is away: when it is tried again. */
  #awayUntilMs: number | undefined;

  constructor(options: SharedLimiterOptions) {
    const { quotas, maxKeys, clock = systemClock, leaseMs = 1000, log = silentLog } = options;
    this.#options = options;
    this.#clock = clock;
    this.#leaseMs = leaseMs;
    this.#lines = new FailureLog(log, {
      began: "the store of the rate limits is away: this process limits by itself",
      ended: "rate limits are shared again",
    });
    this.#local = new Limiter({ quotas: {}, ...(maxKeys === undefined ? {} : { maxKeys }) });
    this.configure(quotas);
  }

  /** From now on these are the limits. One that changed is shared from the start again. */
  configure(quotas: Readonly<Record<string, Quota>>): void {
    this.#local.configure(quotas);
    const before = new Map(this.#shares);
    this.#shares.clear();
    for (const [name, quota] of Object.entries(quotas)) {
      const known = before.get(name);
      const isSame = known?.quota.count === quota.count && known.quota.windowMs === quota.windowMs;
      const idleMs = Math.max(quota.windowMs, this.#leaseMs);
      const { maxKeys = 20_000 } = this.#options;
      this.#shares.set(name, isSame ? known : { quota, byKey: new RecentKeys({ maxKeys, idleMs }) });
    }
  }

  /** Takes a call, or refuses it: at once, unless the store has to be asked. Never rejects. */
  take(draws: readonly Draw[]): Verdict | Promise<Verdict> {
    return this.#decide(draws) ?? this.#askAndDecide(draws);
  }

  /** What becomes of a call; undefined when the store has to be asked. */
  #decide(draws: readonly Draw[]): Verdict | undefined {
    const nowMs = Math.floor(this.#clock.monotonic());
    const local = this.#local.check(draws, nowMs);
    if (!local.admitted) return local;
    if (this.#awayUntilMs !== undefined && nowMs < this.#awayUntilMs) {
      return { admitted: true, standing: this.#local.count(draws, nowMs) };
    }
    let mustAsk = false;
    const shares: Share[] = [];
    for (const draw of draws) {
      const share = this.#shareOf(draw, nowMs);
      if (share === undefined) continue;
      shares.push(share);
      if (share.has(nowMs)) continue;
      const retryAfterMs = share.emptyMs(nowMs);
      if (retryAfterMs > 0) return this.#refuse(draw, retryAfterMs);
      mustAsk = true;
    }
    if (mustAsk) return undefined;
    for (const share of shares) share.take(nowMs);
    const standing = this.#local.count(draws, nowMs);
    return { admitted: true, standing: standing && this.#withOthers(standing, shares[0], nowMs) };
  }

  async #askAndDecide(draws: readonly Draw[]): Promise<Verdict> {
    for (let round = 0; round < maxRounds; round += 1) {
      const nowMs = Math.floor(this.#clock.monotonic());
      await Promise.all(draws.map(async (draw) => this.#ask(draw, nowMs)));
      const verdict = this.#decide(draws);
      if (verdict !== undefined) return verdict;
    }
    const [draw] = draws.filter(({ limit }) => this.#shares.has(limit));
    return draw === undefined ? { admitted: true, standing: undefined } : this.#refuse(draw, pauseMs);
  }

  /** Resolves when the share has calls, or the store has none, or is away. */
  #ask(draw: Draw, nowMs: number): Promise<void> | undefined {
    const share = this.#shareOf(draw, nowMs);
    if (share === undefined || share.has(nowMs)) return undefined;
    share.waiting += 1;
    share.asking ??= this.#borrow(draw, share).finally(() => {
      share.asking = undefined;
      share.waiting = 0;
    });
    return share.asking;
  }

  async #borrow({ limit, key }: Draw, share: Share): Promise<void> {
    // A turn later, so that all who were woken together are counted.
    await Promise.resolve();
    const quota = this.#shares.get(limit)?.quota;
    if (quota === undefined) return;
    const startedMs = Math.floor(this.#clock.monotonic());
    try {
      const borrowed = await borrow({
        store: this.#options.store,
        key: storeKey(limit, quota, key),
        quota,
        want: share.want(),
        nowMs: Math.floor(this.#clock.now()),
        stored: share.stored,
      });
      const nowMs = Math.floor(this.#clock.monotonic());
      share.receive(borrowed, { nowMs, goodUntilMs: startedMs + this.#leaseMs });
      this.#found();
    } catch (error) {
      this.#lost(error);
    }
  }

  #shareOf({ limit, key }: Draw, nowMs: number): Share | undefined {
    const shares = this.#shares.get(limit);
    if (shares === undefined) return undefined;
    const known = shares.byKey.get(key, nowMs);
    if (known !== undefined) return known;
    const share = new Share(shares.quota, nowMs, shares.byKey.crowded(nowMs));
    shares.byKey.set(key, share, nowMs);
    return share;
  }

  #refuse({ limit }: Draw, retryAfterMs: number): Verdict {
    const quota = this.#shares.get(limit)?.quota ?? { count: 1, windowMs: 1000 };
    const resetMs = Math.min(quota.windowMs, retryAfterMs + quota.windowMs - Math.floor(quota.windowMs / quota.count));
    return { admitted: false, retryAfterMs, standing: { limit, quota, remaining: 0, resetMs } };
  }

  /** How the first limit stands, with what others are known to have taken. */
  #withOthers(standing: Standing, share: Share | undefined, nowMs: number): Standing {
    if (share?.stored === undefined) return standing;
    const left = share.remaining(nowMs, Math.floor(this.#clock.now()));
    return left >= standing.remaining ? standing : used(standing, left);
  }

  #found(): void {
    if (this.#awayUntilMs === undefined) return;
    this.#awayUntilMs = undefined;
    this.#lines.worked();
    this.#tell("shared again");
  }

  #lost(error: unknown): void {
    const wasThere = this.#awayUntilMs === undefined;
    this.#awayUntilMs = Math.floor(this.#clock.monotonic()) + pauseMs;
    this.#lines.failed(error);
    if (wasThere) this.#tell(isWeftError(error, "ABORTED") ? "store contended" : "store away");
  }

  #tell(reason: string): void {
    this.#options.onDecision?.({ kind: "limited", target: this.#options.service, reason });
  }
}

/** A standing with so many calls left: what is used comes back evenly. */
function used({ limit, quota }: Standing, remaining: number): Standing {
  const resetMs = Math.ceil(((quota.count - remaining) * quota.windowMs) / quota.count);
  return { limit, quota, remaining, resetMs };
}
