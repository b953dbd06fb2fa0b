import type { BalancingPolicy } from "./options.ts";

/**
 * Whether an instance may take calls, or why not. `ejected`: it failed calls. `suspect`: it is connected and silent.
 * `not-ready`: it says that it does not serve, and has not served yet: it is called only where nobody else is connected.
 * `unavailable`: not connected, or it served and says that it stops.
 */
export type EndpointState = "eligible" | "ejected" | "suspect" | "not-ready" | "unavailable";

/** One instance as the caller sees it now: plain JSON. */
export interface EndpointDescription {
  readonly id: string;
  readonly address: string;
  readonly version?: string;
  readonly zone?: string;
  readonly state: EndpointState;
  /** Why it was ejected. */
  readonly reason?: string;
  /** Milliseconds until it is readmitted. */
  readonly readmittedInMs?: number;
  /** By now: what it says of itself, times its warm-up. */
  readonly weight: number;
  readonly inFlight: number;
  /** Peak EWMA, as far as it is not forgotten by now; 0 when nothing is known. */
  readonly latencyMs: number;
  /** Of its last calls, in [0, 1]; less and less without any. */
  readonly failureShare: number;
}

/** The instances of a service as one caller sees them: plain JSON, for people. */
export interface ClusterDescription {
  readonly target: string;
  readonly policy: BalancingPolicy;
  /** Too few may take calls, so all that are connected do. */
  readonly isPanic: boolean;
  /** How many the registry lists; this caller has a subset of them. */
  readonly listed: number;
  readonly endpoints: readonly EndpointDescription[];
}
