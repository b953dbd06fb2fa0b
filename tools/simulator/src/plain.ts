import { Endpoint, type EndpointFacts } from "@weft/resilience";
import type { SimulatedCluster } from "./world/client.ts";

/** What a client without a mesh does, to compare with: one after the other of those that are connected, come what may. */
export class PlainRoundRobin implements SimulatedCluster {
  readonly #now: () => number;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #unavailable = new Set<Endpoint>();
  #free: readonly Endpoint[] = [];
  #turn: number;

  constructor({ now, random }: { readonly now: () => number; readonly random: () => number }) {
    this.#now = now;
    this.#turn = Math.floor(random() * 1_000);
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  update(listed: readonly EndpointFacts[]): void {
    const ids = new Set(listed.map(({ id }) => id));
    for (const id of this.#endpoints.keys()) {
      if (!ids.has(id)) this.#endpoints.delete(id);
    }
    for (const facts of listed) {
      if (!this.#endpoints.has(facts.id)) this.#endpoints.set(facts.id, new Endpoint(facts, this.#now()));
    }
    this.#changed();
  }

  setAvailable(endpoint: Endpoint, isAvailable: boolean): void {
    if (isAvailable) this.#unavailable.delete(endpoint);
    else this.#unavailable.add(endpoint);
    this.#changed();
  }

  configure(): void {
    // There is nothing to set.
  }

  setSuspect(): void {
    // Who is silent is waited for.
  }

  pick(): Endpoint | undefined {
    return this.#free[(this.#turn += 1) % this.#free.length];
  }

  begin(): void {
    // Nothing is measured.
  }

  end(): void {
    // Likewise.
  }

  tick(): void {
    // Likewise.
  }

  #changed(): void {
    this.#free = [...this.#endpoints.values()].filter((endpoint) => !this.#unavailable.has(endpoint));
  }
}
