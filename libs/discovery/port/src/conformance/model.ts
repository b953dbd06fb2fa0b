import { isDeepStrictEqual } from "node:util";
import { setTimeout as sleep } from "node:timers/promises";
import { WeftError } from "@weft/kit";
import { checkInstance, type Discovery, type Instance, type InstanceList, type Registration } from "../index.ts";
import type { DiscoveryFixture } from "./fixture.ts";

const pollMs = 10;

/** The simplest discovery that keeps the laws, in one process: what mutants are made from. */
export function modelFixture(): DiscoveryFixture {
  const registry: ModelRegistry = { entries: new Map(), reachable: true };
  const opened: Discovery[] = [];
  const timers = new Set<NodeJS.Timeout>();
  return {
    open: async () => {
      const discovery = new ModelDiscovery(registry);
      opened.push(discovery);
      return discovery;
    },
    registerElsewhere: async (instance, { ttlMs = 3000 } = {}) => {
      const registration = await new ModelDiscovery(registry).register(instance);
      return {
        kill: async () => void timers.add(setTimeout(() => void registration[Symbol.asyncDispose](), ttlMs)),
      };
    },
    cut: async () => {
      registry.reachable = false;
      return { restore: async () => void (registry.reachable = true) };
    },
    [Symbol.asyncDispose]: async () => {
      for (const timer of timers) clearTimeout(timer);
      for (const discovery of opened) await discovery[Symbol.asyncDispose]();
    },
  };
}

interface ModelRegistry {
  readonly entries: Map<string, Instance>;
  reachable: boolean;
}

class ModelDiscovery implements Discovery {
  readonly #registry: ModelRegistry;
  readonly #registrations: Registration[] = [];
  readonly #closed = new AbortController();

  constructor(registry: ModelRegistry) {
    this.#registry = registry;
  }

  async register(instance: Instance, { ttlMs = 3000 } = {}): Promise<Registration> {
    checkInstance(instance, ttlMs);
    const { entries } = this.#registry;
    const key = `${instance.service}\n${instance.id}`;
    const own = { ...instance };
    entries.set(key, own);
    const registration: Registration = {
      instance,
      [Symbol.asyncDispose]: async () => {
        if (entries.get(key) === own) entries.delete(key);
      },
    };
    this.#registrations.push(registration);
    return registration;
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<InstanceList, void, undefined> {
    const ended = AbortSignal.any([signal, this.#closed.signal]);
    let given: InstanceList | undefined;
    while (!ended.aborted) {
      const list: InstanceList = this.#registry.reachable
        ? { instances: this.#all().filter((instance) => instance.service === service), stale: false }
        : { instances: given?.instances ?? [], stale: true };
      if (!isDeepStrictEqual(list, given)) yield (given = list);
      await sleep(pollMs);
    }
  }

  async list(): Promise<readonly Instance[]> {
    if (!this.#registry.reachable) throw new WeftError("UNAVAILABLE", "the registry can't be reached");
    return this.#all();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    for (const registration of this.#registrations) await registration[Symbol.asyncDispose]();
  }

  #all(): readonly Instance[] {
    const order = ({ service, id }: Instance): string => `${service}\n${id}`;
    return [...this.#registry.entries.values()].sort((a, b) => (order(a) < order(b) ? -1 : 1));
  }
}
