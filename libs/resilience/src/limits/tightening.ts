import type { OnDecision } from "../decision.ts";
import { type Bucket, levelAt, pour } from "./bucket.ts";

/** Who has to wait first when a target is in trouble: `low` before `middle` before `high`. */
export type Importance = "low" | "middle" | "high";

export interface TighteningOptions {
  /** The service called, as discovery names it. */
  readonly target: string;
  /** Calls a second that are always let through, so that somebody finds out when the target is well. Default 50. */
  readonly floorPerSecond?: number;
  /** Failures within half a second before which nothing is tightened. Default 20. */
  readonly minFailures?: number;
  readonly onDecision?: OnDecision;
}

/** How long failures are counted before they are judged, in milliseconds. */
const spanMs = 500;
/** Above this share of failures the limit gets tighter. */
const tightenAbove = 0.2;
/** Below this one it gets wider, in between only slowly. */
const relaxBelow = 0.05;
const decrease = 0.7;
const increase = 0.25;
const slowIncrease = 0.02;
const least = 0.1;
/** The part of the limit that calls of less importance leave to others. */
const reserves: Readonly<Record<Importance, number>> = { low: 0.5, middle: 0.25, high: 0 };

/** One target's trouble: what there was to do when it began, and how much of that is let through. */
interface Tightened {
  factor: number;
  /** Calls a second when the trouble began. */
  readonly basePerSecond: number;
  readonly bucket: Bucket;
}

/**
 * A limit on the calls to one target that is there only while the target fails: additive increase, multiplicative
 * decrease, as TCP does it (Chiu and Jain, 1989). It begins at the rate at which calls came when the target began to
 * fail, so that it bites at once, whatever the limits of single callers are.
 *
 * Laws, with time in whole milliseconds of a clock that never goes back:
 * - `T1` Nothing is refused while at most 20 % of the calls fail, or fewer than `minFailures` in half a second.
 * - `T2` While more than 20 % fail the factor falls by 30 % each half second, down to a tenth; while fewer than 5 % do, it
 *   rises by a quarter each, so that two good seconds end any tightening. In between it rises by a fiftieth: what a target
 *   always fails, as one bad instance of many makes it do, limits it for half a minute and not for ever.
 * - `T3` While tightened, calls are let through at no more than `factor` of the rate at which they came when it began, and
 *   at no less than `floorPerSecond`, with a quarter of a second's calls at once.
 * - `T4` When a call is let through, one of more importance would have been, too.
 */
export class Tightening {
  readonly #target: string;
  readonly #floor: number;
  readonly #minFailures: number;
  readonly #onDecision: OnDecision;
  #spanEnd = Number.NEGATIVE_INFINITY;
  #offered = 0;
  #ended = 0;
  #failed = 0;
  #tightened: Tightened | undefined;

  constructor(options: TighteningOptions) {
    const { target, floorPerSecond = 50, minFailures = 20, onDecision = () => {} } = options;
    this.#target = target;
    this.#floor = floorPerSecond;
    this.#minFailures = minFailures;
    this.#onDecision = onDecision;
  }

  /** How much of the calls is let through, 0.1 to 1. */
  factor(nowMs: number): number {
    this.#judge(nowMs);
    return this.#tightened?.factor ?? 1;
  }

  /** Whether a call may go to the target. */
  admits(importance: Importance, nowMs: number): boolean {
    this.#judge(nowMs);
    this.#offered += 1;
    if (this.#tightened === undefined) return true;
    const { bucket } = this.#tightened;
    const quota = this.#quotaOf(this.#tightened);
    const room = quota.count * quota.windowMs * (1 - reserves[importance]);
    if (levelAt(bucket, quota, nowMs) + quota.windowMs > room) return false;
    pour(bucket, quota, nowMs);
    return true;
  }

  /** A call to the target has ended; `failed` when it could not be had or was too busy (503, 504, 429). */
  ended(failed: boolean, nowMs: number): void {
    this.#judge(nowMs);
    this.#ended += 1;
    if (failed) this.#failed += 1;
  }

  /** A quarter of a second's calls at once: enough not to refuse what merely comes together. */
  #quotaOf({ factor, basePerSecond }: Tightened): { readonly count: number; readonly windowMs: number } {
    const perSecond = Math.max(this.#floor, basePerSecond * factor);
    return { count: Math.max(4, Math.ceil(perSecond / 4)), windowMs: 250 };
  }

  /** Looks back at the spans that have passed since the last look. */
  #judge(nowMs: number): void {
    if (nowMs < this.#spanEnd) return;
    const spans = Math.floor((nowMs - this.#spanEnd) / spanMs) + 1;
    const share = this.#ended === 0 ? 0 : this.#failed / this.#ended;
    if (share > tightenAbove) this.#tighten(nowMs);
    else this.#relax(share < relaxBelow ? increase : slowIncrease);
    // In the others nothing failed, as nothing ended.
    this.#relax(increase * (spans - 1));
    this.#offered = this.#ended = this.#failed = 0;
    this.#spanEnd = nowMs + spanMs;
  }

  #tighten(nowMs: number): void {
    if (this.#tightened !== undefined) {
      this.#tightened.factor = Math.max(least, this.#tightened.factor * decrease);
      return;
    }
    if (this.#failed < this.#minFailures) return;
    const basePerSecond = (Math.max(this.#offered, this.#ended) * 1000) / spanMs;
    this.#tightened = { factor: decrease, basePerSecond, bucket: { level: 0, at: nowMs } };
    this.#onDecision({ kind: "limited", target: this.#target, reason: "tightened" });
  }

  #relax(by: number): void {
    if (this.#tightened === undefined || by === 0) return;
    this.#tightened.factor += by;
    if (this.#tightened.factor < 1) return;
    this.#tightened = undefined;
    this.#onDecision({ kind: "limited", target: this.#target, reason: "relaxed" });
  }
}
