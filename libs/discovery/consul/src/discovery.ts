import { type Blocking, type Consul, maxBlockMs, newest, openConsul, watch } from "@weft/consul";
import {
  checkInstance,
  type Discovery,
  type Instance,
  type InstanceList,
  type RegisterOptions,
  type Registration,
} from "@weft/discovery";
import { type Clock, type Log, newUuid, type Secret, WeftError } from "@weft/kit";
import { Catalogue } from "./catalogue.ts";
import { type Health, serviceName } from "./entry.ts";
import { KeptEntry } from "./registration.ts";
import { sameList, ServiceView } from "./view.ts";

export interface ConsulDiscoveryOptions {
  /**
   * `consul://[:token@]host[:port][?namespace=weft&check=ttl&tls=true]`: the agent of this machine. `check=ttl`, the
   * default: the process tells the agent that it is alive. `check=grpc`: Consul calls `grpc.health.v1.Health/Check` at
   * the instance's `grpc` metadata or else its address, which the agent must be able to reach, in plain text.
   */
  readonly url: Secret;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
  /** How long to wait for a Consul that is not there yet, in milliseconds. Default 10,000. */
  readonly openTimeoutMs?: number;
}

/**
 * Discovery through Consul. The service `user` of the namespace `weft` is `weft-user` in its catalogue, with tags and
 * `Meta` for version, zone and weight. With ACLs the token needs `service_prefix "weft-" { policy = "write" }` and
 * `node_prefix "" { policy = "read" }`; one who only watches needs `"read"` of both. The agent needs a token of its own
 * (`acl.tokens.agent`), without which it takes nobody out of the catalogue.
 *
 * `UNAVAILABLE` when Consul can't be reached, `PERMISSION_DENIED` when the token may not read the services.
 */
export async function openConsulDiscovery(options: ConsulDiscoveryOptions): Promise<Discovery> {
  const probe = (consul: Consul): Promise<void> => new Catalogue(consul).probe();
  const consul = await openConsul({ ...options, parameters: ["check"], probe });
  return new ConsulDiscovery(consul, healthOf(consul));
}

function healthOf(consul: Consul): Health {
  const { check = "ttl" } = consul.parameters;
  if (check === "ttl" || check === "grpc") return check;
  consul[Symbol.dispose]();
  throw new WeftError("INVALID_CONFIGURATION", "check in the consul:// URL is ttl or grpc");
}

class ConsulDiscovery implements Discovery {
  readonly #consul: Consul;
  readonly #catalogue: Catalogue;
  readonly #health: Health;
  readonly #entries = new Set<KeptEntry>();
  readonly #closed = new AbortController();

  constructor(consul: Consul, health: Health) {
    this.#consul = consul;
    this.#catalogue = new Catalogue(consul);
    this.#health = health;
  }

  async register(instance: Instance, options: RegisterOptions = {}): Promise<Registration> {
    if (this.#closed.signal.aborted) throw new WeftError("UNAVAILABLE", "discovery is closed");
    const { ttlMs = 3000 } = options;
    checkInstance(instance, ttlMs);
    const entry = new KeptEntry({
      ...{ entry: { instance, owner: newUuid(), ttlMs }, health: this.#health, catalogue: this.#catalogue },
      ...{ clock: this.#consul.clock, log: this.#consul.log, onLeave: () => this.#entries.delete(entry) },
    });
    this.#entries.add(entry);
    try {
      await entry.start();
    } catch (error) {
      this.#entries.delete(entry);
      throw error;
    }
    return entry;
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<InstanceList, void, undefined> {
    const { clock, log } = this.#consul;
    const name = serviceName(this.#consul.namespace, service);
    const view = new ServiceView();
    const waitMs = (): number => Math.min(view.lookAgainMs(clock.monotonic()), maxBlockMs);
    const look = async (blocking: Blocking | undefined, ended: AbortSignal) => {
      const answer = await this.#catalogue.look(name, { blocking, signal: ended });
      // Here, where a refusal counts as no answer.
      return { index: answer.index, seen: this.#catalogue.seen(answer) };
    };
    yield* newest((ended) => watch({ look, signal: ended, clock, waitMs }), {
      view: (sighting) => (sighting.stale ? view.lost() : view.answered(sighting.answer.seen, clock.monotonic())),
      equal: sameList,
      signal: AbortSignal.any([signal, this.#closed.signal]),
      log,
      what: `the service '${service}'`,
    });
  }

  async list(): Promise<readonly Instance[]> {
    return (await this.#catalogue.all()).map(({ instance }) => instance);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#entries].map((entry) => entry[Symbol.asyncDispose]()));
    this.#consul[Symbol.dispose]();
  }
}
