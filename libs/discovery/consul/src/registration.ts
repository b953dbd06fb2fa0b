import type { Instance, Registration } from "@weft/discovery";
import type { Clock, Log } from "@weft/kit";
import type { Catalogue } from "./catalogue.ts";
import type { Entry, EntryNames, Health } from "./entry.ts";

/**
 * The longest that a request of a beat may take, in milliseconds, however long the TTL: who leaves waits for one that is
 * under way.
 */
const maxBeatMs = 2000;
/** For each of the two requests of leaving, in milliseconds. What isn't done then, Consul does. */
const leaveTimeoutMs = 1500;

interface EntryOptions {
  readonly entry: Entry;
  readonly health: Health;
  readonly catalogue: Catalogue;
  readonly clock: Clock;
  readonly log: Log;
  readonly onLeave: () => void;
}

/** An entry of the catalogue that this process keeps there: by beats, and anew when the agent has lost it. */
export class KeptEntry implements Registration {
  readonly #options: EntryOptions;
  readonly #names: EntryNames;
  readonly #left = new AbortController();
  #starting: Promise<void> | undefined;
  #keeping: Promise<void> | undefined;
  #leaving: Promise<void> | undefined;
  #failing = false;

  constructor(options: EntryOptions) {
    this.#options = options;
    this.#names = options.catalogue.names(options.entry);
  }

  get instance(): Instance {
    return this.#options.entry.instance;
  }

  /** Resolves when it is in the catalogue. */
  async start(): Promise<void> {
    const { catalogue, entry, health } = this.#options;
    const put = catalogue.put(entry, health);
    this.#starting = put.catch(() => undefined);
    await put;
    this.#keeping = this.#keep();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#left.abort();
    await (this.#leaving ??= this.#leave());
  }

  async #keep(): Promise<void> {
    const { entry, clock } = this.#options;
    // Not in step with others that started together.
    const everyMs = (entry.ttlMs / 3) * (1 - Math.random() / 5);
    for (;;) {
      // Sooner after a failure: the TTL goes on.
      const pauseMs = this.#failing ? everyMs / 4 : everyMs;
      await clock.sleep(pauseMs, this.#left.signal).catch(() => undefined);
      if (this.#left.signal.aborted || !(await this.#look(Math.min(entry.ttlMs / 2, maxBeatMs)))) return;
    }
  }

  /** False when the id belongs to another registration now. */
  async #look(timeoutMs: number): Promise<boolean> {
    const { entry, health, catalogue, log } = this.#options;
    const { service, id } = entry.instance;
    try {
      const known = health === "ttl" && (await catalogue.beat(this.#names, timeoutMs));
      const held = known ? entry : await catalogue.held(this.#names, timeoutMs);
      if (held !== undefined && held.owner !== entry.owner) {
        log.warn({ service, id }, "another registration took over this id");
        return false;
      }
      const lost = held === undefined || (health === "ttl" && !known);
      if (lost && !this.#left.signal.aborted) {
        await catalogue.put(entry, health, { timeoutMs });
        log.info({ service, id }, "the Consul agent had lost the registration; it is there again");
      }
      if (this.#failing) log.info({ service, id }, "heartbeats go on");
      this.#failing = false;
    } catch (error) {
      // Once: while the agent is away every one of them fails.
      if (!this.#failing) log.warn({ err: error, service, id }, "heartbeats fail; they will be tried on");
      this.#failing = true;
    }
    return true;
  }

  /** Never rejects: who can't leave, expires. */
  async #leave(): Promise<void> {
    const { entry, catalogue, log, onLeave } = this.#options;
    // Else what is under way might put the entry back.
    await this.#starting;
    await this.#keeping;
    try {
      const held = await catalogue.held(this.#names, leaveTimeoutMs);
      if (held?.owner === entry.owner) await catalogue.remove(this.#names, leaveTimeoutMs);
    } catch (error) {
      log.warn({ err: error, service: entry.instance.service }, "could not leave the registry");
    } finally {
      onLeave();
    }
  }
}
