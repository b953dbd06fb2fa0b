import type { OnDecision } from "../decision.ts";
import type { OutlierOptions } from "../outlier/options.ts";
import type { BalancingOptions } from "./options.ts";
import type { RouteOptions, SplitOptions } from "./versions.ts";

/** What a call asks of the choice of its instance. */
export interface CallFacts {
  /** See {@link PickRequest}. */
  readonly key?: string | undefined;
  /** Metadata of the call, by lower-case name, for routes and keys by header. */
  readonly header?: (name: string) => string | undefined;
}

/** The sections of a target's policy that a cluster goes by. */
export interface ClusterPolicy {
  readonly balancing?: BalancingOptions;
  readonly outliers?: OutlierOptions;
  readonly split?: SplitOptions;
  readonly routes?: readonly RouteOptions[];
}

export interface ClusterOptions {
  /** Name of the service. */
  readonly target: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  /** A number in [0, 1). */
  readonly random: () => number;
  readonly onDecision?: OnDecision;
  /** Who calls. Without an id every process has a subset by chance; without a zone, zones are not looked at. */
  readonly caller?: { readonly id?: string; readonly zone?: string };
  readonly policy?: ClusterPolicy;
}
