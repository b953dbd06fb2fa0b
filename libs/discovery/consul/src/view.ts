import type { Instance, InstanceList } from "@weft/discovery";
import type { Seen } from "./catalogue.ts";

/** Beside a TTL, in milliseconds: what the port grants a death to be seen (D3). */
const spareMs = 1000;

/**
 * What a watcher is told of one service, from what Consul says, answer by answer. While Consul was away nobody could beat,
 * and an agent that started anew holds everybody for critical, or knows nobody at all, until they do: so those who were
 * listed before stay for one TTL and a second after it, whatever Consul says: it may know them at first, and lose them when the agent's
 * own view arrives.
 */
export class ServiceView {
  #listed: ReadonlyMap<string, Seen> = new Map();
  #stale = false;
  /** Until when the silence of an instance is no sign of death, by id. Of those listed before a gap. */
  #sparedUntilMs: ReadonlyMap<string, number> = new Map();

  /** There is no answer at present. */
  lost(): InstanceList {
    this.#stale = true;
    return this.#list();
  }

  /** @param nowMs on a monotonic clock */
  answered(entries: readonly Seen[], nowMs: number): InstanceList {
    if (this.#stale) this.#sparedUntilMs = mapValues(this.#listed, ({ ttlMs }) => nowMs + ttlMs + spareMs);
    this.#stale = false;
    this.#sparedUntilMs = new Map([...this.#sparedUntilMs].filter(([, untilMs]) => untilMs > nowMs));
    const listed = new Map([...this.#listed].filter(([id]) => this.#sparedUntilMs.has(id)));
    for (const entry of entries) if (entry.healthy) listed.set(entry.instance.id, entry);
    this.#listed = listed;
    return this.#list();
  }

  /** When the list is to be looked at again though nothing changes, in milliseconds from now. */
  lookAgainMs(nowMs: number): number {
    return Math.min(...this.#sparedUntilMs.values()) - nowMs;
  }

  #list(): InstanceList {
    const instances = [...this.#listed.values()].map(({ instance }) => instance).sort((a, b) => (a.id < b.id ? -1 : 1));
    return { instances, stale: this.#stale };
  }
}

/** Whether two lists tell a watcher the same. */
export function sameList(a: InstanceList, b: InstanceList): boolean {
  return a.stale === b.stale && JSON.stringify(a.instances.map(facts)) === JSON.stringify(b.instances.map(facts));
}

/** In one order of fields, whatever order they came in. */
function facts({ service, id, address, metadata }: Instance): unknown {
  return [service, id, address, Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1))];
}

function mapValues<Key, From, To>(map: ReadonlyMap<Key, From>, to: (value: From) => To): Map<Key, To> {
  return new Map([...map].map(([key, value]) => [key, to(value)]));
}
