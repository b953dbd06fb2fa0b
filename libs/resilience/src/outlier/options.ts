/** The section `outliers` of a target's policy: plain JSON, every value optional, and hot. */
export interface OutlierOptions {
  /** Whether sick instances are ejected at all. Default true. */
  readonly enabled?: boolean;
  /** Failures in a row that eject. Default 5. */
  readonly consecutiveFailures?: number;
  /**
   * An instance is ejected when it fails this much more of its last 32 calls than the others together of theirs, and more
   * than chance explains, in [0, 1]. Works from two instances on. Default 0.2.
   */
  readonly shareAboveOthers?: number;
  /** Calls that an instance and the others must have had for that. At most 32, default 20. */
  readonly minCalls?: number;
  /** An instance that was not called for this long is left out of that, in milliseconds. Default 10,000. */
  readonly windowMs?: number;
  /** How often success rates of all instances are compared, in milliseconds. Default 10,000 (Envoy's `interval`). */
  readonly intervalMs?: number;
  /** Instances with enough calls that this comparison needs. Default 5 (Envoy's `success_rate_minimum_hosts`). */
  readonly successRateMinInstances?: number;
  /** Calls in an interval that are enough. Default 100 (Envoy's `success_rate_request_volume`). */
  readonly successRateMinCalls?: number;
  /** Standard deviations below the mean that eject. Default 1.9 (Envoy's `success_rate_stdev_factor`). */
  readonly successRateDeviations?: number;
  /** The first ejection, in milliseconds; the n-th of an instance that does not recover takes n times as long. Default 10,000. */
  readonly baseEjectionMs?: number;
  /** And at most this. Default 300,000. */
  readonly maxEjectionMs?: number;
  /** Share of instances that may be ejected at a time; one always may, the last one never. In [0, 1], default 0.2. */
  readonly maxEjectedShare?: number;
}

/** What holds where a policy says nothing. */
export const outlierDefaults: Required<OutlierOptions> = {
  enabled: true,
  consecutiveFailures: 5,
  shareAboveOthers: 0.2,
  minCalls: 20,
  windowMs: 10_000,
  intervalMs: 10_000,
  successRateMinInstances: 5,
  successRateMinCalls: 100,
  successRateDeviations: 1.9,
  baseEjectionMs: 10_000,
  maxEjectionMs: 300_000,
  maxEjectedShare: 0.2,
};
