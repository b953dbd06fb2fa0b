import type { Blocking, Consul, ConsulAnswer } from "@weft/consul";
import { WeftError } from "@weft/kit";
import { type Entry, type EntryNames, entryNames, type Health, serviceName, toEntry, toRegistration } from "./entry.ts";

/** An entry and how Consul finds it. */
export interface Seen extends Entry {
  /** Whether all its checks pass, those of its node included. */
  readonly healthy: boolean;
}

/** Names of services at a time whose entries are asked for. */
const maxServices = 1000;

/** What of Consul's catalogue is this namespace's. */
export class Catalogue {
  readonly #consul: Consul;

  constructor(consul: Consul) {
    this.#consul = consul;
  }

  /** Fails when Consul can't be asked, or the token may not read this namespace's services, which would look like none. */
  async probe(): Promise<void> {
    const name = serviceName(this.#consul.namespace, "probe");
    await this.#consul.call({ path: ["agent", "health", "service", "name", name], accept: [404, 503] });
    this.seen(await this.look(name));
  }

  /** Registers at the agent, in the place of what it had under this name. */
  async put(entry: Entry, health: Health, options: { readonly timeoutMs?: number } = {}): Promise<void> {
    await this.#consul.call({
      ...{ method: "PUT", path: ["agent", "service", "register"] },
      // Else a former registration's check would stay, fail, and take the new one down with it.
      query: { "replace-existing-checks": "true" },
      body: toRegistration(this.#consul.namespace, entry, health),
      ...options,
    });
  }

  /** Tells the agent that the instance is alive. False when it doesn't know the check. */
  async beat({ check }: EntryNames, timeoutMs: number): Promise<boolean> {
    // Before 1.12 an unknown check is a 500.
    const accept = [404, 500];
    const answer = await this.#consul.call({
      method: "PUT",
      path: ["agent", "check", "pass", check],
      accept,
      timeoutMs,
    });
    return answer.status === 200;
  }

  /** What the agent holds under this name; undefined for nothing. */
  async held({ id }: EntryNames, timeoutMs: number): Promise<Entry | undefined> {
    const answer = await this.#consul.call({ path: ["agent", "service", id], accept: [404], timeoutMs });
    if (answer.status === 404) return undefined;
    return toEntry(this.#consul.namespace, (answer.body as RawAgentService).Meta);
  }

  async remove({ id }: EntryNames, timeoutMs: number): Promise<void> {
    const path = ["agent", "service", "deregister", id];
    await this.#consul.call({ method: "PUT", path, accept: [404], timeoutMs });
  }

  names(entry: Entry): EntryNames {
    return entryNames(this.#consul.namespace, entry);
  }

  /** The entries of a service, by its name in Consul; with `blocking`, when they change. */
  look(name: string, options: { blocking?: Blocking | undefined; signal?: AbortSignal } = {}): Promise<ConsulAnswer> {
    return this.#consul.call({ path: ["health", "service", name], ...options });
  }

  /** What {@link look} found, sorted by id. `PERMISSION_DENIED` when the token may not see all of it. */
  seen({ body, filtered }: ConsulAnswer): readonly Seen[] {
    if (filtered) {
      throw new WeftError("PERMISSION_DENIED", "the Consul token needs service:read and node:read for discovery");
    }
    const { namespace } = this.#consul;
    const newest = new Map<string, Seen & { createIndex: number }>();
    for (const { Service: service, Checks: checks } of body as readonly RawHealth[]) {
      const entry = toEntry(namespace, service.Meta);
      if (entry === undefined) continue;
      const { id } = entry.instance;
      const createIndex = service.CreateIndex;
      // One id at two agents: it was registered again, elsewhere.
      if ((newest.get(id)?.createIndex ?? 0) > createIndex) continue;
      newest.set(id, { ...entry, createIndex, healthy: checks.every(({ Status: status }) => status === "passing") });
    }
    return [...newest.values()].sort((a, b) => compare(a.instance.id, b.instance.id));
  }

  /** The healthy entries of all services, sorted by service and id. */
  async all(): Promise<readonly Seen[]> {
    const services = await this.#consul.call({ path: ["catalog", "services"] });
    const ours = Object.keys(services.body as object).filter((name) => name.startsWith(`${this.#consul.namespace}-`));
    if (ours.length > maxServices) throw new WeftError("RESOURCE_EXHAUSTED", `more than ${maxServices} services`);
    const found = await Promise.all(ours.map(async (name) => this.seen(await this.look(name))));
    return found
      .flat()
      .filter(({ healthy }) => healthy)
      .sort((a, b) => compare(a.instance.service, b.instance.service) || compare(a.instance.id, b.instance.id));
  }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface RawAgentService {
  readonly Meta: Readonly<Record<string, string>> | null;
}

interface RawHealth {
  readonly Service: RawAgentService & { readonly CreateIndex: number };
  readonly Checks: readonly { readonly Status: string }[];
}
