import type { DescService } from "@bufbuild/protobuf";
import type { Discovery } from "@weft/discovery";
import type { JsonValue } from "@weft/kit";
import { type CallPolicies, type CallPolicy, callPolicyOf, type OnDecision, saidOf } from "@weft/resilience";
import {
  type Client,
  createClient,
  type FallbackTransport,
  type MeshTransport,
  openTransport,
  type Transport,
  type TransportStatus,
  withFallback,
} from "@weft/rpc";
import type { ClientMetrics } from "./client-metrics.ts";

export interface MeshOptions {
  readonly discovery: Discovery;
  /** Disposes the transports. */
  readonly stack: AsyncDisposableStack;
  readonly onDecision: OnDecision;
  readonly metrics: ClientMetrics;
  /** This process, for policies that go by who calls and from where. */
  readonly caller: { readonly id: string; readonly zone?: string };
}

/** A target as this process sees it, and how it is told to call it. */
export interface TargetStatus extends TransportStatus {
  /** What the setting `calls` says of it now, an object; the rest is as by default. */
  readonly settings: JsonValue;
}

/** A way to another service, and what goes with it. */
interface Way {
  readonly transport: MeshTransport;
  /** The same, measured; and then what is answered where it can't. */
  readonly answering: FallbackTransport;
  /** The policy in use. */
  policy: CallPolicy;
}

/** The ways to other services: one transport a target, made when it is first asked for. */
export class Mesh {
  readonly #options: MeshOptions;
  readonly #ways = new Map<string, Way>();
  #policies: CallPolicies = {};

  constructor(options: MeshOptions) {
    this.#options = options;
  }

  transport(target: string): Transport {
    return this.#way(target).answering;
  }

  client<S extends DescService>(service: S, target: string): Client<S> {
    return createClient(service, this.transport(target));
  }

  /** Calls go by these policies from now on. */
  configure(policies: CallPolicies): void {
    this.#policies = policies;
    for (const [target, way] of this.#ways) {
      const policy = callPolicyOf(target, policies);
      // What was measured is kept where nothing changed.
      if (JSON.stringify(policy) === JSON.stringify(way.policy)) continue;
      way.policy = policy;
      way.transport.configure(policy);
      way.answering.configureFallback(policy.fallback);
      this.#options.onDecision({ kind: "policy", target, reason: "changed" });
    }
  }

  /** The targets that were called, as this process sees them. */
  status(): readonly TargetStatus[] {
    return [...this.#ways].map(([target, { transport }]) => ({
      ...transport.status(),
      settings: saidOf(target, this.#policies),
    }));
  }

  #way(target: string): Way {
    const before = this.#ways.get(target);
    if (before !== undefined) return before;
    const { discovery, stack, onDecision, metrics, caller } = this.#options;
    const policy = callPolicyOf(target, this.#policies);
    const transport = stack.use(openTransport({ target, discovery, policy, onDecision, caller }));
    const measured = metrics.measured(transport, target);
    const way = {
      transport,
      answering: withFallback(measured, { target, options: policy.fallback, onDecision }),
      policy,
    };
    this.#ways.set(target, way);
    return way;
  }
}
