import type { Breakers, Cluster, ClusterPolicy, Endpoint, Hedges, Retries } from "@weft/resilience";
import type { NetworkOptions } from "../engine/network.ts";
import { Call, type CallEnd } from "./call.ts";
import { Connection } from "./connection.ts";
import type { Instance } from "./instance.ts";
import type { CallMarks } from "./load.ts";
import { factsOf, type Registry } from "./registry.ts";

/** What a client asks of its cluster. */
export type SimulatedCluster = Pick<
  Cluster,
  "update" | "endpoints" | "setAvailable" | "setSuspect" | "configure" | "pick" | "begin" | "end" | "tick"
>;

/** What decides about the calls of one process to one target: the same objects as in the transport. */
export interface Deciders {
  readonly cluster: SimulatedCluster;
  readonly retries: Pick<Retries, "began" | "answered" | "isOverloaded" | "next">;
  readonly breakers: Breakers;
  readonly hedges: Hedges;
}

export interface ClientOptions extends NetworkOptions, Deciders {
  readonly registry: Registry;
  /** Time limit of a call in milliseconds. */
  readonly timeoutMs: number;
  /** One way to an instance at the fastest, in milliseconds. */
  readonly delayMs: (instance: Instance) => number;
}

/** How often the cluster is looked after, in milliseconds. */
const tickMs = 1_000;

/** A client process, with what the transport does: a connection to each endpoint of its cluster, and calls with their tries. */
export class Client {
  readonly options: ClientOptions;
  /** Tries beyond the first of a call, hedges not counted. */
  retried = 0;
  /** Those of them that went to an instance where the call had failed already. */
  retriedThere = 0;
  /** Second tries made before the first was answered. */
  hedged = 0;
  readonly #connections = new Map<Endpoint, Connection>();
  #listed: readonly Instance[] = [];
  #waiting: (() => void)[] = [];

  constructor(options: ClientOptions) {
    this.options = options;
    options.registry.watch((listed) => {
      this.#listed = listed;
      options.cluster.update(factsOf(listed));
      this.#connect();
    });
    this.#tick();
  }

  /** @param ended told once, whatever happens */
  call(marks: CallMarks, ended: (end: CallEnd) => void): void {
    new Call(this, marks, ended).start();
  }

  /** Replaces the policy of the cluster while calls run. */
  configure(policy: ClusterPolicy): void {
    this.options.cluster.configure(policy);
    this.#connect();
  }

  connection(endpoint: Endpoint): Connection | undefined {
    return this.#connections.get(endpoint);
  }

  /** Runs it when an instance becomes available. */
  whenAvailable(run: () => void): void {
    this.#waiting.push(run);
  }

  /** Connections to those that the cluster wants connections to, and to no others. */
  #connect(): void {
    const { cluster } = this.options;
    const endpoints = new Set(cluster.endpoints);
    for (const [endpoint, connection] of this.#connections) {
      if (endpoints.has(endpoint)) continue;
      connection.close();
      this.#connections.delete(endpoint);
    }
    for (const endpoint of endpoints) {
      const instance = this.#listed.find(({ facts }) => facts.id === endpoint.facts.id);
      if (instance !== undefined && !this.#connections.has(endpoint)) this.#open(endpoint, instance);
    }
  }

  #open(endpoint: Endpoint, instance: Instance): void {
    const { cluster, breakers, delayMs, timeline, random } = this.options;
    cluster.setAvailable(endpoint, false);
    const onAvailable = (isAvailable: boolean): void => {
      cluster.setAvailable(endpoint, isAvailable);
      if (!isAvailable) return;
      breakers.wake();
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const run of waiting) run();
    };
    const onSuspect = (isSuspect: boolean): void => cluster.setSuspect(endpoint, isSuspect);
    const latencyMs = (): number => endpoint.latencyMs;
    const about = { instance, delayMs: delayMs(instance), onAvailable, onSuspect, latencyMs };
    const connection = new Connection({ timeline, random, ...about });
    this.#connections.set(endpoint, connection);
  }

  #tick(): void {
    const { cluster, timeline } = this.options;
    timeline.after(tickMs, () => {
      cluster.tick(timeline.nowMs);
      this.#tick();
    });
  }
}
