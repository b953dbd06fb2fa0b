import type { BreakerState, CallPolicy, ClusterDescription, EndpointDescription } from "@weft/resilience";
import type { Transport } from "../transport.ts";
import type { LinkState } from "./link.ts";
import type { Way } from "./way.ts";

/** The sections of a policy; those left out have their defaults. */
export type TransportPolicy = Partial<CallPolicy>;

/** An instance as this process sees it. */
export interface EndpointStatus extends EndpointDescription {
  readonly connection: LinkState;
}

/** A target as this process sees it: plain JSON, for people. */
export interface TransportStatus extends Omit<ClusterDescription, "endpoints"> {
  /** The registry is away, and the list of instances an old one. */
  readonly stale: boolean;
  readonly endpoints: readonly EndpointStatus[];
  /** One for each method that was called. */
  readonly breakers: readonly { readonly method: string; readonly state: BreakerState["kind"] }[];
  /** Calls and streams under way. */
  readonly inside: { readonly calls: number; readonly streams: number };
}

/** A transport that chooses among instances. */
export interface MeshTransport extends Transport {
  /** Replaces the policy, while calls run. What is left out goes back to its default. */
  configure(policy: TransportPolicy): void;
  status(): TransportStatus;
}

/** How things are now. */
export function statusOf({ pool, guards }: Way): TransportStatus {
  const { endpoints, ...cluster } = pool.cluster.describe();
  return {
    ...cluster,
    stale: pool.isStale,
    endpoints: endpoints.map((endpoint) => ({ ...endpoint, connection: pool.stateOf(endpoint.id) })),
    breakers: [...guards.breakers.states()].map(([method, state]) => ({ method, state })),
    inside: guards.bulkhead.inside,
  };
}
