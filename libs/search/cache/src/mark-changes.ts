import {
  type Clock,
  FailureLog,
  isWeftError,
  type Log,
  type NewId,
  newUuid,
  silentLog,
  systemClock,
  withTimeout,
} from "@weft/kit";
import type { SearchEngine } from "@weft/search";
import type { StateStore } from "@weft/state";
import { coverMs, generationKey } from "./generation.ts";

export interface MarkChangesOptions {
  /** The store of the cache. Asked for at each use, so that one that can't be opened yet holds up nobody. */
  readonly store: () => Promise<Pick<StateStore, "set">>;
  readonly log?: Log;
  readonly clock?: Clock;
  readonly newId?: NewId;
}

/** How long a change waits for its mark, in milliseconds. */
const limitMs = 500;
/** Time between tries to write a mark that failed, in milliseconds. */
const retryMs = 1000;
/** How long the store keeps a generation, in milliseconds. Readers give the index another one after that. */
const keepMs = 86_400_000;
/** Indexes whose marks are remembered. */
const maxMarks = 1000;

/**
 * The engine, whose every change of an index gives that index a new generation before it resolves, so that answers
 * cached by {@link cacheAnswers} under the old one are of no use any more. A change that failed does too: any part of it
 * may have happened, unless there is no such index. One that comes within half a second of a mark is covered by it, so that a busy index costs two
 * writes a second.
 *
 * A store that is away fails no change and holds up none for long: the mark follows when the store is back, and until
 * then what is cached lives no longer than its TTL. Disposing ends the tries; the engine stays open.
 */
export function markChanges(engine: SearchEngine, options: MarkChangesOptions): SearchEngine {
  const { store, log = silentLog, clock = systemClock, newId = newUuid } = options;
  const closing = new AbortController();
  const marks = new Map<string, Mark>();
  const outage = new FailureLog(log, {
    began: "searches may be answered from the cache for longer: its store is away",
    ended: "the store of the search cache is back",
  });

  const markOf = (index: string): Mark => {
    const known = marks.get(index);
    if (known !== undefined) return known;
    const write = async (): Promise<void> => {
      await (await store()).set(generationKey(index), Buffer.from(newId()), { ttlMs: keepMs });
    };
    const mark = new Mark(write, { outage, clock, signal: closing.signal });
    // One that is forgotten goes on with its tries; another of its index only writes a generation more.
    if (marks.size >= maxMarks) marks.clear();
    marks.set(index, mark);
    return mark;
  };

  const after = async <T>(index: string, change: Promise<T>): Promise<T> => {
    // Either way, and only then: an answer cached meanwhile may lack the change.
    try {
      const result = await change;
      await markOf(index).renew();
      return result;
    } catch (error) {
      // Who deleted the index has marked it. Names of none must not fill the store.
      if (!isWeftError(error, "NOT_FOUND")) await markOf(index).renew();
      throw error;
    }
  };

  return {
    createIndex: (definition) => after(definition.index, engine.createIndex(definition)),
    deleteIndex: async (index) => {
      await after(index, engine.deleteIndex(index));
      marks.delete(index);
    },
    reindex: (index, options) => after(index, engine.reindex(index, options)),
    apply: (index, changes) => after(index, engine.apply(index, changes)),
    ...(engine.bulkLoad && { bulkLoad: engine.bulkLoad.bind(engine) }),
    getIndex: (index) => engine.getIndex(index),
    listIndexes: () => engine.listIndexes(),
    getDocument: (index, id) => engine.getDocument(index, id),
    search: (index, query, signal) => engine.search(index, query, signal),
    suggest: (index, query, signal) => engine.suggest(index, query, signal),
    scan: (index, query, signal) => engine.scan(index, query, signal),
    [Symbol.asyncDispose]: async () => closing.abort(),
  };
}

interface MarkOptions {
  readonly outage: FailureLog;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The generation of one index as its writer keeps it. */
class Mark {
  readonly #write: () => Promise<void>;
  readonly #options: MarkOptions;
  #running: Promise<void> = Promise.resolve();
  /** When the last write that succeeded began. */
  #markedAt = -Infinity;
  #next: Promise<void> | undefined;
  #isAway = false;
  /** While the store is away: whether a mark is to be written when it is back. */
  #isDue = false;

  constructor(write: () => Promise<void>, options: MarkOptions) {
    this.#write = write;
    this.#options = options;
  }

  /** Resolves when the call is covered by a write that is done, or is left to the tries behind. Never rejects. */
  renew(): Promise<void> {
    if (this.#isAway) {
      this.#isDue = true;
      return Promise.resolve();
    }
    this.#next ??= this.#running.then(() => {
      this.#next = undefined;
      const isCovered = this.#options.clock.monotonic() - this.#markedAt < coverMs;
      return isCovered ? undefined : (this.#running = this.#try());
    });
    return this.#next;
  }

  async #try(): Promise<void> {
    try {
      await this.#bounded();
    } catch (err) {
      this.#options.outage.failed(err);
      this.#isAway = true;
      this.#isDue = true;
      void this.#catchUp();
    }
  }

  async #catchUp(): Promise<void> {
    const { clock, signal, outage } = this.#options;
    while (this.#isDue) {
      await clock.sleep(retryMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      // Set again by who asks while the write is under way: that one needs a further one.
      this.#isDue = false;
      await this.#bounded().catch(() => (this.#isDue = true));
    }
    this.#isAway = false;
    outage.worked();
  }

  async #bounded(): Promise<void> {
    const { clock } = this.#options;
    const beganAt = clock.monotonic();
    await withTimeout(this.#write, { timeoutMs: limitMs, what: "marking a change", clock });
    this.#markedAt = beganAt;
  }
}
