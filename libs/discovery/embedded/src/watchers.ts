import type { Instance, InstanceList } from "@weft/discovery";
import { type Clock, Latest, type Log } from "@weft/kit";
import type { InstanceRow, Registry } from "./registry.ts";

/** How often a registry that can't be read is tried again, in milliseconds. */
const retryMs = 500;
/** A look this much later than it was due, in milliseconds, means that the machine slept or its clock was set forward. */
const standstillMs = 500;

interface Watcher {
  readonly service: string;
  readonly list: Latest<InstanceList>;
}

/** Feeds all watches of one handle from one reading of the registry. Costs nothing while nobody watches. */
export class Watchers {
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #watchers = new Set<Watcher>();
  #attention: AbortController | undefined;
  #timer: AbortController | undefined;
  #rows: readonly InstanceRow[] = [];
  #stale = false;
  /** When the next look is due. */
  #dueMs = Infinity;
  /** Since when the registry could be read, and time went on, without a gap. */
  #clearSinceMs = -Infinity;

  constructor(registry: Registry, clock: Clock, log: Log) {
    this.#registry = registry;
    this.#clock = clock;
    this.#log = log;
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<InstanceList, void, undefined> {
    const watcher: Watcher = { service, list: new Latest(sameList) };
    this.#watchers.add(watcher);
    if (this.#attention === undefined) this.#start();
    // Read anew even if others watch: whoever just registered finds itself in its first list.
    this.#refresh();
    try {
      yield* watcher.list.values(signal);
    } finally {
      this.#watchers.delete(watcher);
      if (this.#watchers.size === 0) this.#stop();
    }
  }

  /** Ends every watch. */
  end(): void {
    for (const watcher of this.#watchers) watcher.list.end();
    this.#stop();
  }

  #start(): void {
    this.#attention = new AbortController();
    this.#rows = [];
    this.#dueMs = Infinity;
    this.#clearSinceMs = -Infinity;
    const watch = this.#registry.onChange(() => this.#refresh());
    this.#attention.signal.addEventListener("abort", () => watch[Symbol.dispose]());
  }

  #stop(): void {
    this.#attention?.abort();
    this.#attention = undefined;
    this.#timer?.abort();
    this.#timer = undefined;
  }

  #refresh(): void {
    if (this.#attention === undefined) return;
    const now = this.#clock.now();
    try {
      const rows = this.#registry.read();
      if (this.#stale) this.#registry.probe();
      if (this.#stale || now > this.#dueMs + standstillMs) this.#clearSinceMs = now;
      // Whoever was listed before a gap had no chance to beat in it: it gets one TTL to show itself.
      const before = new Set(this.#rows.map(keyOf));
      const spared = (row: InstanceRow): boolean => before.has(keyOf(row)) && this.#clearSinceMs + row.ttlMs > now;
      const listed = rows.filter((row) => row.expiresMs > now || spared(row));
      // Where nobody can write nobody can beat: silence is no sign of death then.
      if (rows.some((row) => before.has(keyOf(row)) && !listed.includes(row))) this.#registry.probe();
      this.#rows = listed;
      this.#stale = false;
    } catch (error) {
      if (!this.#stale) this.#log.warn({ err: error }, "the registry can't be used; the last good lists stay");
      this.#stale = true;
    }
    for (const watcher of this.#watchers) this.#give(watcher);
    this.#schedule(now);
  }

  #give(watcher: Watcher): void {
    const instances = this.#rows.filter((row) => row.service === watcher.service).map(toInstance);
    watcher.list.set({ instances, stale: this.#stale });
  }

  /** Looks again when the first of the listed would expire, or when a lost registry may be back. */
  #schedule(now: number): void {
    this.#timer?.abort();
    const timer = (this.#timer = new AbortController());
    const ends = this.#rows.map((row) => Math.max(row.expiresMs, this.#clearSinceMs + row.ttlMs));
    const waitMs = this.#stale ? retryMs : Math.max(Math.min(...ends) - now, 1);
    this.#dueMs = now + waitMs;
    if (waitMs === Infinity) return;
    this.#clock.sleep(waitMs, timer.signal).then(
      () => this.#refresh(),
      () => undefined,
    );
  }
}

/** An instance without what the registry keeps beside it. */
export function toInstance({ service, id, address, metadata }: InstanceRow): Instance {
  return { service, id, address, metadata };
}

function keyOf(row: InstanceRow): string {
  return `${row.service}\n${row.id}`;
}

function sameList(a: InstanceList, b: InstanceList): boolean {
  return a.stale === b.stale && JSON.stringify(a.instances) === JSON.stringify(b.instances);
}
