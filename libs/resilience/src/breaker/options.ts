/** When a method of a target is left alone: the section `breaker` of a policy. */
export interface BreakerOptions {
  /** Default true. */
  readonly enabled?: boolean;
  /** How far back failures are counted, in milliseconds. Default 10,000. */
  readonly windowMs?: number;
  /** Fewer tries within the window say nothing. Default 10. */
  readonly minimumCalls?: number;
  /** Opens when this share of tries failed. Default 0.5. */
  readonly failureShare?: number;
  /**
   * How long it stays open, in milliseconds. Default 1,000: a few tries a second cost a target that fails nothing, and
   * one that works again is not left alone for longer.
   */
  readonly openMs?: number;
  /** Most tries at a time while it is half open. Default 3. */
  readonly probes?: number;
  /** Closes after this many of them went well. Default 3. */
  readonly successes?: number;
}

/** The defaults of {@link BreakerOptions}. */
export const breakerDefaults: Required<BreakerOptions> = Object.freeze({
  enabled: true,
  windowMs: 10_000,
  minimumCalls: 10,
  failureShare: 0.5,
  openMs: 1_000,
  probes: 3,
  successes: 3,
});
