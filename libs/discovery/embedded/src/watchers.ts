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
  /** Whether the registry could be used since the first of the present watches began. */
  #begun = false;
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
    this.#stale = false;
    this.#begun = false;
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
      this.#rows = this.#listed(this.#registry.read(), now);
      this.#begun = true;
      this.#stale = false;
    } catch (error) {
      if (!this.#stale) this.#log.warn({ err: error }, "the registry can't be used; the last good lists stay");
      this.#stale = true;
    }
    for (const watcher of this.#watchers) this.#give(watcher);
    this.#schedule(now);
  }

  /** Who is listed. Throws when the registry can't be used, so that the last good lists stay. */
  #listed(rows: readonly InstanceRow[], now: number): readonly InstanceRow[] {
    if (this.#stale) this.#registry.probe();
    if (this.#stale || now > this.#dueMs + standstillMs) this.#clearSinceMs = now;
    // Whoever was listed before a gap had no chance to beat in it: it gets one TTL to show itself.
    const before = new Set(this.#rows.map(keyOf));
    const spared = (row: InstanceRow): boolean => before.has(keyOf(row)) && this.#clearSinceMs + row.ttlMs > now;
    const listed = rows.filter((row) => row.expiresMs > now || spared(row));
    // Where nobody can write nobody can beat: silence is no sign of death then.
    const silent = rows.filter((row) => !listed.includes(row));
    if (silent.some((row) => !this.#begun || before.has(keyOf(row)))) {
      try {
        this.#registry.probe();
      } catch (error) {
        // The first look has no former list to keep: all that did not leave are the best guess.
        if (!this.#begun) this.#rows = rows;
        throw error;
      }
    }
    return listed;
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
