import type { BalancerOptions } from "./balancer.ts";
import type { Endpoint } from "./endpoint.ts";
import { TwoChoices } from "./two-choices.ts";
import { noiseMs } from "./usual.ts";

/**
 * Power of two choices by what a call is likely to cost: the peak EWMA of latency, the age of calls that are not
 * answered, and how often calls there fail.
 *
 * - `P1` an instance that does not answer gets dear as soon as its calls are late, without one of them having ended
 * - `P2` latencies within the tolerance are equal: then in-flight calls decide, and load stays even
 * - `P3` an instance of which nothing is known costs as much as the other one, so nobody floods it
 * - `P4` failing fast draws no calls
 * - `P5` one that was slow is tried again by one call at a time
 * - `P6` a method that takes long makes nobody dear
 * - `P7` a single pause is forgiven within a second or two; who is slow at every trial is tried ever more rarely
 * - `P8` who is slow now and then gets few calls if the others are not, and its share if they are
 */
export class P2cEwma extends TwoChoices {
  constructor(options: BalancerOptions) {
    const { latencyDecayMs, latencyTolerance } = options.balancing;
    super(options, (one, other, nowMs) => {
      const lateMs = lateness(one, nowMs, latencyDecayMs);
      const otherLateMs = lateness(other, nowMs, latencyDecayMs);
      const ratio =
        priceOf(one, lateMs === 0 ? otherLateMs : lateMs, nowMs, latencyDecayMs) /
        priceOf(other, otherLateMs === 0 ? lateMs : otherLateMs, nowMs, latencyDecayMs);
      return ratio <= latencyTolerance && ratio * latencyTolerance >= 1 ? 1 : ratio;
    });
  }
}

/** In milliseconds, 0 when unknown. */
function lateness(endpoint: Endpoint, nowMs: number, decayMs: number): number {
  return Math.max(endpoint.latencyAt(nowMs, decayMs), endpoint.latenessAt(nowMs));
}

/** Milliseconds until a call that is repeated when it fails has succeeded. */
function priceOf(endpoint: Endpoint, latenessMs: number, nowMs: number, decayMs: number): number {
  return (latenessMs + noiseMs) / (1 - Math.min(0.9, endpoint.failureShareAt(nowMs, decayMs)));
}
