import type { DescService } from "@bufbuild/protobuf";
import type { Blocks } from "@weft/blocks";
import type { Clock, NewId, Setting } from "@weft/kit";
import type { OnDecision, Priority } from "@weft/resilience";
import type { Client, ServiceImplementation, Transport } from "@weft/rpc";
import type { TokenVerifier } from "@weft/security";
import type { Logger, Metrics } from "@weft/telemetry";

/** A listener beside gRPC, for example the gateway's HTTP server. Started and drained with the process. */
export interface Listener {
  /** `host:port` that it listens on. */
  listen(): Promise<string>;
  /**
   * The process is about to stop. All that comes is still answered; callers are told to go elsewhere, where there is a
   * way to. `drain` follows after a moment.
   */
  leave?(): void;
  /** Stops taking new work and resolves when what was in flight is done, or `signal` aborts. */
  drain(signal: AbortSignal): Promise<void>;
  /** Calls that it has refused for want of time since the start. They are told with those of the gRPC server. */
  readonly shed?: Readonly<Partial<Record<Priority, number>>>;
}

/** What `compose` gets from the service host. */
export interface ServiceHost<Config> {
  readonly config: Config;
  /** Name of the service. */
  readonly service: string;
  /** New at every start. */
  readonly instance: string;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Hears what the service decides about calls on its own: metrics and log lines. */
  readonly onDecision: OnDecision;
  readonly clock: Clock;
  readonly newId: NewId;
  /** What `openSearch(blocks)` and its kin open, by the settings `WEFT_DISCOVERY`, `WEFT_PUBSUB` …; each is closed by the host, in reverse order. */
  readonly blocks: Blocks;
  /** Things to dispose at the end, last in first out. */
  readonly stack: AsyncDisposableStack;
  /** Verifies access tokens by the key set that AuthService publishes. */
  readonly tokens: TokenVerifier;
  /** A client of another service, found by discovery under `target` (`user`, `search` …). */
  client<S extends DescService>(service: S, target: string): Client<S>;
  /** The way to another service, for callers that have descriptors only. */
  transport(target: string): Transport;
  /** Work in the background until the signal aborts (after the listeners have drained). Begins once the process listens. One that ends early or fails stops the process with exit code 1. */
  background(name: string, work: (signal: AbortSignal) => Promise<void>): void;
  /** A dependency that matters for `/readyz`; called at most once a second, with a limit of 1 s. */
  readiness(name: string, check: (signal: AbortSignal) => Promise<void>): void;
  /**
   * Calls `apply` with the value of a setting that is `hot`, now and whenever it changes. Valid values only: a bad one is
   * a warning, and the last good one stays. `config` keeps what the process was started with.
   */
  hot<T>(setting: Setting<T>, apply: (value: T) => void): void;
}

/** What `compose` gives back. */
export interface ServiceParts {
  readonly services: readonly ServiceImplementation[];
  readonly listeners?: readonly Listener[];
  /** Goes before the host's own: for the process that has the keys itself. */
  readonly tokens?: TokenVerifier;
}
