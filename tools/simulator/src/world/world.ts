import type { ClusterPolicy, Decision, EndpointFacts, OnDecision } from "@weft/resilience";
import { Random } from "../engine/random.ts";
import { Timeline } from "../engine/timeline.ts";
import { Client, type Deciders } from "./client.ts";
import { Instance, type InstanceOptions, type Limiter } from "./instance.ts";
import { type HeaderOptions, type KeyOptions, Load, type LoadOptions } from "./load.ts";
import { CallRecord } from "./record.ts";
import { Registry } from "./registry.ts";

/** How one side of the mesh decides: what a simulation compares. */
export interface Contestant {
  readonly name: string;
  /** What decides in a client process. */
  readonly newDeciders: (options: DeciderOptions) => Deciders;
  /** Names of the scenarios that it makes a difference in; all by default. */
  readonly onlyIn?: readonly string[];
  /** Each instance's own limiter; none by default. */
  readonly newLimiter?: (isSaturated: () => boolean) => Limiter;
}

/** What the deciders of a client process are made of. */
export interface DeciderOptions {
  /** Name of the service. */
  readonly target: string;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly random: () => number;
  /** Id of the process. */
  readonly client: string;
  /** Where it runs. */
  readonly zone: string;
  /** What the mesh says of versions, whatever the contestant is. */
  readonly versions: VersionPolicy;
  readonly onDecision: OnDecision;
}

/** Where calls go by the version of the instances. */
export type VersionPolicy = Pick<ClusterPolicy, "split" | "routes">;

/** What is special about an instance. */
export interface InstanceChange extends Partial<Omit<InstanceOptions, "facts">> {
  readonly facts?: Partial<EndpointFacts>;
}

/** The mesh to simulate. */
export interface WorldOptions {
  readonly seed: number;
  readonly contestant: Contestant;
  readonly instances: number;
  readonly clients: number;
  /** Instances and clients stand in so many zones, in turn. Between two zones a message takes a millisecond more. */
  readonly zones?: number | undefined;
  readonly load: LoadOptions;
  readonly keys?: KeyOptions | undefined;
  /** That some calls have; none by default. */
  readonly header?: HeaderOptions | undefined;
  readonly versions?: VersionPolicy | undefined;
  /** Time limit of calls in milliseconds. Default 2,000. */
  readonly timeoutMs?: number | undefined;
  readonly onDecision?: ((decision: Decision, client: string) => void) | undefined;
  /** What is special about an instance, by its number. */
  readonly instance?: ((index: number) => InstanceChange) | undefined;
}

const oneWayMs = 0.25;
const betweenZonesMs = 1;

/** The mesh, made of its parts. Every part draws chance from a stream of its own. */
export class World {
  readonly options: WorldOptions;
  readonly timeline = new Timeline();
  readonly record = new CallRecord();
  readonly registry: Registry;
  readonly clients: readonly Client[];
  readonly load: Load;
  /** Those that run, by their number; a restart puts a new one in the place of the old. */
  readonly instances: Instance[] = [];
  /** All that ever ran. */
  readonly everyInstance: Instance[] = [];

  constructor(options: WorldOptions) {
    this.options = options;
    this.registry = new Registry(this.timeline, this.chance("registry"));
    for (let index = 0; index < options.instances; index += 1) this.start(index);
    this.clients = Array.from({ length: options.clients }, (_, index) => this.#newClient(index));
    const { timeline, record } = this;
    const { keys, header } = options;
    this.load = new Load(this.clients, { timeline, record, keys, header, random: this.chance("load") });
    this.load.start(options.load);
  }

  /** A new instance in the place of that number, listed at once. */
  start(index: number, change: InstanceChange = {}): Instance {
    const { contestant, zones = 1, instance: special } = this.options;
    const random = this.chance(`instance ${this.everyInstance.length}`);
    const { facts: ownFacts, ...own } = { ...special?.(index), ...change };
    const facts = {
      id: `instance-${this.everyInstance.length}`,
      address: `10.0.0.${index}:1`,
      zone: `zone-${index % zones}`,
      weight: 1,
      ...ownFacts,
    };
    const instance = new Instance(
      { ...usual, newLimiter: contestant.newLimiter, ...own, facts },
      this.timeline,
      random,
    );
    this.instances[index] = instance;
    this.everyInstance.push(instance);
    this.registry.register(instance);
    return instance;
  }

  #newClient(index: number): Client {
    const { contestant, zones = 1, timeoutMs = 2_000, versions = {} } = this.options;
    const { timeline, registry } = this;
    const random = this.chance(`client ${index}`);
    const zone = `zone-${index % zones}`;
    const now = (): number => timeline.nowMs;
    const id = `client-${index}`;
    const onDecision: OnDecision = (decision) => this.options.onDecision?.(decision, id);
    return new Client({
      ...contestant.newDeciders({ target: "user", now, random: random.next, client: id, zone, versions, onDecision }),
      ...{ timeline, registry, timeoutMs },
      random: this.chance(`network ${index}`),
      delayMs: (instance) => (instance.facts.zone === zone ? oneWayMs : oneWayMs + betweenZonesMs),
    });
  }

  /** The same for the same seed and name, whatever else happens. */
  chance(stream: string): Random {
    return new Random(this.options.seed, stream);
  }
}

/** An instance like most: with four workers and ten milliseconds for a request it is good for 400 a second. */
const usual: Omit<InstanceOptions, "facts"> = {
  workers: 4,
  queue: 1_000,
  serviceMs: 10,
  spread: 0.5,
  coldFactor: 1,
  warmAfter: 200,
};
