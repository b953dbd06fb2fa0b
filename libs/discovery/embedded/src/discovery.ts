import {
  checkInstance,
  type Discovery,
  type Instance,
  type InstanceList,
  type RegisterOptions,
  type Registration,
} from "@weft/discovery";
import { type Clock, type Log, newUuid, silentLog, systemClock, WeftError } from "@weft/kit";
import { type EntryKey, Registry } from "./registry.ts";
import { toInstance, Watchers } from "./watchers.ts";

export interface EmbeddedDiscoveryOptions {
  /** The data folder; the registry is `discovery.db` in it, with `discovery-beats.db`. */
  readonly dataDir: string;
  /** Default: the machine's. All processes of a data folder must agree on the time. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
}

/** Heartbeats of one registration are at least this far apart, in milliseconds, so that an idle mesh is idle. */
const minBeatMs = 500;

/** Discovery through the data folder. `UNAVAILABLE` when the folder can't be used. */
export async function openEmbeddedDiscovery(options: EmbeddedDiscoveryOptions): Promise<Discovery> {
  return new EmbeddedDiscovery(options);
}

class EmbeddedDiscovery implements Discovery {
  readonly #registry: Registry;
  readonly #watchers: Watchers;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #registrations = new Set<Entry>();
  #closed = false;

  constructor({ dataDir, clock = systemClock, log = silentLog }: EmbeddedDiscoveryOptions) {
    this.#registry = new Registry(dataDir);
    this.#watchers = new Watchers(this.#registry, clock, log);
    this.#clock = clock;
    this.#log = log;
  }

  async register(instance: Instance, options: RegisterOptions = {}): Promise<Registration> {
    this.#checkOpen();
    const { ttlMs = 3000 } = options;
    checkInstance(instance, ttlMs);
    const entry = new Entry(instance, ttlMs, this.#registry, this.#clock, this.#log, () =>
      this.#registrations.delete(entry),
    );
    this.#registrations.add(entry);
    return entry;
  }

  async *watch(service: string, signal: AbortSignal): AsyncGenerator<InstanceList, void, undefined> {
    if (!this.#closed) yield* this.#watchers.watch(service, signal);
  }

  async list(): Promise<readonly Instance[]> {
    this.#checkOpen();
    const now = this.#clock.now();
    return this.#registry
      .read()
      .filter((row) => row.expiresMs > now)
      .map(toInstance);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#watchers.end();
    for (const entry of this.#registrations) await entry[Symbol.asyncDispose]();
    this.#registry[Symbol.dispose]();
  }

  #checkOpen(): void {
    if (this.#closed) throw new WeftError("UNAVAILABLE", "discovery is closed");
  }
}

/** One registration: in the registry from the start, and kept there by heartbeats. */
class Entry implements Registration {
  readonly instance: Instance;
  readonly #key: EntryKey;
  readonly #ttlMs: number;
  readonly #registry: Registry;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #onLeave: () => void;
  readonly #left = new AbortController();
  #failing = false;

  constructor(instance: Instance, ttlMs: number, registry: Registry, clock: Clock, log: Log, onLeave: () => void) {
    this.instance = instance;
    this.#key = { service: instance.service, id: instance.id, owner: newUuid() };
    this.#ttlMs = ttlMs;
    this.#registry = registry;
    this.#clock = clock;
    this.#log = log;
    this.#onLeave = onLeave;
    this.#put();
    void this.#keepAlive();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#left.signal.aborted) return;
    this.#left.abort();
    this.#onLeave();
    try {
      this.#registry.remove(this.#key);
    } catch (error) {
      // The entry expires by itself.
      this.#log.warn({ err: error, service: this.#key.service }, "could not leave the registry");
    }
  }

  #put(): void {
    const now = this.#clock.now();
    this.#registry.put(this.#key.owner, { ...this.instance, ttlMs: this.#ttlMs, expiresMs: now + this.#ttlMs }, now);
  }

  async #keepAlive(): Promise<void> {
    const everyMs = Math.max(this.#ttlMs / 3, minBeatMs);
    for (;;) {
      try {
        await this.#clock.sleep(everyMs, this.#left.signal);
      } catch {
        return;
      }
      if (!this.#beat()) return;
    }
  }

  /** False when the id belongs to somebody else now. */
  #beat(): boolean {
    const { service, id } = this.#key;
    try {
      const state = this.#registry.beat(this.#key, this.#ttlMs, this.#clock.now());
      if (state === "replaced") {
        this.#log.warn({ service, id }, "another registration took over this id");
        return false;
      }
      // Stopped or blocked for longer than the TTL, or the file is new: back into the list.
      if (state === "lapsed") this.#put();
      if (this.#failing) this.#log.info({ service, id }, "heartbeats go on");
      this.#failing = false;
    } catch (error) {
      // Once: on a full disk every one of them fails.
      if (!this.#failing) this.#log.warn({ err: error, service, id }, "heartbeats fail; they will be tried on");
      this.#failing = true;
    }
    return true;
  }
}
