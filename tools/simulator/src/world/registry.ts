import type { EndpointFacts } from "@weft/resilience";
import type { Random } from "../engine/random.ts";
import type { Timeline } from "../engine/timeline.ts";
import type { Instance } from "./instance.ts";

/** How long an instance stays listed after its last sign of life, and how often it gives one: as our discovery does. */
const ttlMs = 3_000;
const beatMs = ttlMs / 3;
/** How late a watcher hears at most, in milliseconds. */
const newsMs = 100;

/** The registry: lists those that live, late; forgets those that are silent for their TTL. */
export class Registry {
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #listed = new Map<string, Instance>();
  readonly #left = new Set<Instance>();
  readonly #watchers: ((listed: readonly Instance[]) => void)[] = [];

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
  }

  register(instance: Instance): void {
    this.#listed.set(instance.facts.id, instance);
    instance.watch(() => this.#watchLife(instance));
    this.#tell();
  }

  /** It leaves cleanly. */
  deregister(instance: Instance): void {
    this.#left.add(instance);
    if (this.#listed.delete(instance.facts.id)) this.#tell();
  }

  /** Those listed now, and whenever that changes, a moment later. */
  watch(watcher: (listed: readonly Instance[]) => void): void {
    this.#watchers.push(watcher);
    watcher([...this.#listed.values()]);
  }

  /** Called by faults of the network, which the instance does not feel. */
  lookAt(instance: Instance): void {
    this.#watchLife(instance);
  }

  #watchLife(instance: Instance): void {
    if (this.#left.has(instance)) return;
    if (isHeard(instance)) {
      if (this.#listed.has(instance.facts.id)) return;
      this.#listed.set(instance.facts.id, instance);
      return this.#tell();
    }
    this.#timeline.after(ttlMs - this.#random.next() * beatMs, () => {
      if (!isHeard(instance) && this.#listed.delete(instance.facts.id)) this.#tell();
    });
  }

  #tell(): void {
    for (const watcher of this.#watchers) {
      this.#timeline.after(this.#random.next() * newsMs, () => watcher([...this.#listed.values()]));
    }
  }
}

function isHeard(instance: Instance): boolean {
  return instance.state === "running" && !instance.link.isCut;
}

/** What a caller's cluster is told of the instances. */
export function factsOf(listed: readonly Instance[]): EndpointFacts[] {
  return listed.map(({ facts }) => facts);
}
