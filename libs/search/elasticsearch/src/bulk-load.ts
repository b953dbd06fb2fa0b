import { backoffMs, type Clock, FailureLog, isWeftError, type Log, randomHex, WeftError } from "@weft/kit";
import type { Catalog } from "./catalog.ts";
import { ifThere, type IndexSettings, type LoadNote, LoadNotes, type StoredNote } from "./load-notes.ts";
import type { Server } from "./server.ts";
import { refresh } from "./snapshots.ts";

/** How long a load is taken to be alive after it last said so, and how often it does, in milliseconds. */
const lease = { ms: 90_000, renewMs: 20_000 };
/** How often it is looked for loads that died, in milliseconds, give or take a quarter. */
const lookMs = 60_000;
/** Tries to change a note that others change too. */
const maxTries = 10;
const betweenTries = { initialMs: 50, maxMs: 2000 };

/** Refreshes are left to those who read. */
const refreshes: IndexSettings = { "index.refresh_interval": "-1" };
const replicas: IndexSettings = { "index.number_of_replicas": "0", "index.auto_expand_replicas": "false" };

export interface BulkLoadsOptions {
  readonly server: Server;
  readonly catalog: Catalog;
  readonly namespace: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/**
 * Bulk loads, while which settings of their index are relaxed: Elasticsearch refreshes only for those who read, and an
 * index that was empty when its load began has no replicas, which would do all the work again; one with documents keeps
 * them. What was there before stands in a note beside the index, and until when the loads are taken to be alive: the last
 * load to end puts it back, and of loads that died any process does that looks. Nothing is relaxed without a note, and the
 * note goes last.
 */
export class BulkLoads implements AsyncDisposable {
  readonly #options: BulkLoadsOptions;
  readonly #notes: LoadNotes;
  readonly #open = new Set<AsyncDisposable>();
  readonly #closing = new AbortController();
  readonly #looking: Promise<void>;

  constructor(options: BulkLoadsOptions) {
    this.#options = options;
    this.#notes = new LoadNotes(options.server, options.namespace);
    this.#looking = this.#look();
  }

  /** Resolves when the settings are relaxed. Disposing ends the load; it rejects when that has to wait for another look. */
  async begin(index: string): Promise<AsyncDisposable> {
    const id = randomHex(8);
    let target = await this.#join(index, id);
    const ending = new AbortController();
    const ended = AbortSignal.any([ending.signal, this.#closing.signal]);
    const renewing = (async () => {
      const { clock } = this.#options;
      for (;;) {
        await clock.sleep(lease.renewMs, ended).catch(() => undefined);
        if (ended.aborted) return;
        // Another index may be in its place. A failure is made good by the next time.
        target = await this.#join(index, id).catch(() => target);
      }
    })();
    let leaving: Promise<void> | undefined;
    const end = async (): Promise<void> => {
      ending.abort();
      await renewing;
      this.#open.delete(load);
      await this.#leave(target, id);
    };
    const load: AsyncDisposable = { [Symbol.asyncDispose]: () => (leaving ??= end()) };
    this.#open.add(load);
    return load;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled([...this.#open].map((load) => load[Symbol.asyncDispose]()));
    await this.#looking;
  }

  /** Says that the load is alive, and relaxes; the index of Elasticsearch that is the one now. */
  async #join(index: string, id: string): Promise<string> {
    const { catalog, clock } = this.#options;
    const { target } = await catalog.get(index);
    const { relaxed } = await this.#change(async () => {
      const mine = { [id]: clock.now() + lease.ms };
      // The note comes first: with none, another load could relax and restore while the settings are read.
      const stored =
        (await this.#notes.get(target)) ??
        (await this.#notes.put({ target, relaxed: {}, former: {}, loads: mine }, undefined));
      const { former, relaxed } = isEmpty(stored.note.relaxed) ? await this.#terms(target) : stored.note;
      const note = { target, relaxed, former, loads: { ...this.#alive(stored.note), ...mine } };
      await this.#notes.put(note, stored);
      return note;
    });
    await this.#set(target, relaxed);
    return target;
  }

  async #leave(target: string, id: string): Promise<void> {
    await this.#change(async () => {
      const stored = await this.#notes.get(target);
      if (stored === undefined) return;
      const { [id]: _, ...loads } = this.#alive(stored.note);
      if (!isEmpty(loads)) await this.#notes.put({ ...stored.note, loads }, stored);
      else await this.#restore(stored);
    });
  }

  /** Each of them, whatever becomes of the others; rejects with the last failure. */
  async #restoreDead(notes: readonly StoredNote[]): Promise<void> {
    let failure: WeftError | undefined;
    for (const stored of notes) {
      try {
        await this.#restore(stored);
        const index = stored.note.target;
        this.#options.log.info({ index }, "the settings of an index were restored after a bulk load that died");
      } catch (error) {
        // At a conflict another process was faster, or a load has just begun.
        if (!isWeftError(error, "CONFLICT")) failure = WeftError.from(error);
      }
    }
    if (failure !== undefined) throw failure;
  }

  /** The note goes last: who dies in between leaves it to others. */
  async #restore(stored: StoredNote): Promise<void> {
    const { target, former } = stored.note;
    if (!isEmpty(former)) await this.#set(target, former).catch(ifThere);
    await this.#notes.delete(stored);
  }

  /** What a load of an index relaxes, and what is there now. */
  async #terms(target: string): Promise<Pick<LoadNote, "relaxed" | "former">> {
    const { server } = this.#options;
    await refresh(server, target);
    const [{ count }, { [target]: found }] = await Promise.all([
      server.request<{ readonly count: number }>({ method: "GET", path: `/${target}/_count`, kind: "read" }),
      server.request<Readonly<Record<string, { readonly settings: Readonly<Record<string, string>> }>>>({
        method: "GET",
        path: `/${target}/_settings`,
        query: { flat_settings: true },
        kind: "read",
      }),
    ]);
    const relaxed = count === 0 ? { ...refreshes, ...replicas } : refreshes;
    const former = Object.fromEntries(Object.keys(relaxed).map((name) => [name, found?.settings[name] ?? null]));
    return { relaxed, former };
  }

  async #set(target: string, body: IndexSettings): Promise<void> {
    const { server } = this.#options;
    await server.request({ method: "PUT", path: `/${target}/_settings`, body, kind: "repeatable" });
  }

  #alive({ loads }: LoadNote): LoadNote["loads"] {
    const now = this.#options.clock.now();
    return Object.fromEntries(Object.entries(loads).filter(([, until]) => until > now));
  }

  /** Again from the start when another process has changed the note meanwhile, or has just made the index of notes. */
  async #change<Result>(work: () => Promise<Result>): Promise<Result> {
    const { clock, random } = this.#options;
    for (let tries = 1; ; tries += 1) {
      try {
        return await work();
      } catch (error) {
        if (!isWeftError(error, "CONFLICT", "UNAVAILABLE") || tries === maxTries) throw error;
        await clock.sleep(backoffMs(tries, { ...betweenTries, random }));
      }
    }
  }

  /** Restores for loads that died: once at the start, then now and then. Never rejects. */
  async #look(): Promise<void> {
    const { clock, random, log } = this.#options;
    const { signal } = this.#closing;
    const outage = new FailureLog(log, {
      began: "it can't be found out whether a bulk load has died",
      ended: "bulk loads that died are found again",
    });
    while (!signal.aborted) {
      try {
        const notes = await this.#notes.list(signal);
        await this.#restoreDead(notes.filter(({ note }) => isEmpty(this.#alive(note))));
        outage.worked();
      } catch (err) {
        if (!signal.aborted) outage.failed(err);
      }
      await clock.sleep(lookMs * (0.75 + random() / 2), signal).catch(() => undefined);
    }
  }
}

function isEmpty(record: object): boolean {
  return Object.keys(record).length === 0;
}
