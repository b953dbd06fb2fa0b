import {
  Cluster,
  type ClusterOptions,
  type ClusterPolicy,
  type Endpoint,
  type EndpointFacts,
  type Outcome,
} from "@weft/resilience";
import { decidersOf, mesh } from "./contestants.ts";
import type { Contestant } from "./world/world.ts";

/** The default policy made wrong on purpose, each in one way: the laws have to notice. */
export const mutants = {
  /** Places calls by latency alone. */
  ignoresInFlight: withCluster(
    "ignores in-flight",
    class extends Cluster {
      override begin(endpoint: Endpoint, method: string): void {
        super.begin(endpoint, method);
        endpoint.inFlight = 0;
      }
      override end(endpoint: Endpoint, method: string, outcome: Outcome, tookMs: number): void {
        endpoint.inFlight = 1;
        super.end(endpoint, method, outcome, tookMs);
      }
    },
  ),
  /** Always the first of those that may take the call. */
  starves: withCluster(
    "starves",
    class extends Cluster {
      constructor(options: ClusterOptions) {
        super({ ...options, random: () => 0 });
      }
    },
  ),
  /** Sends a retry to where the call has just failed. */
  ignoresAvoid: withCluster(
    "ignores avoid",
    class extends Cluster {
      override pick(call: Parameters<Cluster["pick"]>[0]): Endpoint | undefined {
        return super.pick(call);
      }
    },
  ),
  /** Ejects as many as it likes. */
  ejectsAll: mesh("ejects all", { outliers: { maxEjectedShare: 1 }, balancing: { panicShare: 0 } }),
  /** Never takes anybody back. */
  neverReadmits: mesh("never readmits", { outliers: { baseEjectionMs: 1e9, maxEjectionMs: 1e9 } }),
  /** Gives whoever comes a share that hardly grows. */
  neverWarms: mesh("never warms", { balancing: { warmUp: { windowMs: 1e9, minShare: 0.01 } } }),
  /** Retries as long as there is time. */
  retriesWithoutBudget: mesh("retries without budget", {
    retry: { maxTries: 10, budgetShare: 1e6, budgetBurst: 1e6, overloadShare: 1 },
    breaker: { enabled: false },
  }),
} as const;

/** Clusters that place calls wrongly on purpose, each in one way, whatever the policy. */
export const misplacing = {
  weights: class extends Cluster {
    override update(listed: readonly EndpointFacts[]): void {
      super.update(listed.map((facts) => ({ ...facts, weight: 1 })));
    }
  },
  split: class extends Cluster {
    override configure({ split: _, ...policy }: ClusterPolicy): void {
      super.configure(policy);
    }
  },
  headers: class extends Cluster {
    override pick({ key }: Parameters<Cluster["pick"]>[0], avoid?: ReadonlySet<Endpoint>): Endpoint | undefined {
      return super.pick({ key }, avoid);
    }
  },
  zones: class extends Cluster {
    constructor(options: ClusterOptions) {
      super({ ...options, caller: { id: options.caller?.id ?? "" } });
    }
  },
  otherZones: class extends Cluster {
    readonly #zone: string | undefined;

    constructor(options: ClusterOptions) {
      super(options);
      this.#zone = options.caller?.zone;
    }

    override update(listed: readonly EndpointFacts[]): void {
      super.update(listed.filter(({ zone }) => zone === this.#zone));
    }
  },
} as const;

/** The mesh with its defaults but for its policy, and for how its cluster goes about it. */
export function withCluster(name: string, Kind: typeof Cluster, policy: ClusterPolicy = {}): Contestant {
  return {
    name,
    newDeciders: (options) => {
      const { client, zone, versions, ...parts } = options;
      const caller = { id: client, zone };
      const cluster = new Kind({ ...parts, caller, policy: { ...versions, ...policy } });
      return { ...decidersOf(options, policy), cluster };
    },
  };
}
