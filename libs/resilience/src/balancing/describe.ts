import type { BalancingPolicy } from "./options.ts";

/**
 * Whether an instance may take calls, or why not. `ejected`: it failed calls. `suspect`: it is connected and silent.
 * `draining`: it said that it stops. `unavailable`: not connected, or it says that it does not serve.
 */
export type EndpointState = "eligible" | "ejected" | "suspect" | "draining" | "unavailable";

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
  /** Peak EWMA; 0 when nothing is known. */
  readonly latencyMs: number;
  /** Of its last calls, in [0, 1]. */
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
