import { createHash } from "node:crypto";
import { type Clock, type Log, type NewId, newUuid, silentLog, systemClock } from "@weft/kit";
import type { SearchEngine, SearchPage } from "@weft/search";
import { boundedStore, type Cache, createCache, type StateStore } from "@weft/state";
import { decodePage, decodeSuggestions, encodeJson, encodePage, type Suggestions } from "./codec.ts";
import { generationKey, settleMs } from "./generation.ts";

/** How a call went: answered from the cache; by the engine, for the cache; by the engine, as the index has just changed or the cache is away. */
export type CacheOutcome = "hit" | "miss" | "bypass";

export interface CacheAnswersOptions {
  /** The store of the cache. Asked for at each use, so that one that can't be opened yet holds up nobody. */
  readonly store: () => Promise<Pick<StateStore, "get" | "set" | "delete">>;
  /** Longest time that an answer may be given again, in milliseconds. Default 10,000. */
  readonly ttlMs?: number;
  /** Longest time that a call waits for the store, in milliseconds; then calls do without it for a second. Default 50. */
  readonly storeTimeoutMs?: number;
  readonly onOutcome?: (outcome: CacheOutcome) => void;
  /** When the store is lost, and when it is back. Default: silent. */
  readonly log?: Log;
  readonly clock?: Clock;
  readonly newId?: NewId;
}

/**
 * The engine, whose first pages and suggestions are cached in a store that replicas share.
 *
 * An answer is cached under the generation that its index had before the engine was asked, and {@link markChanges} gives
 * the index another one after each change: no call that begins after a change was marked gets an answer from before. A
 * generation is used only once this process has known it for longer than the engine takes to show a change. A store
 * that is away costs time once, and no answer. Further pages are the engine's. Callers who ask the same at the same time
 * share one question: the engine is told to stop when all of them have given up.
 */
export function cacheAnswers(engine: SearchEngine, options: CacheAnswersOptions): SearchEngine {
  const { ttlMs = 10_000, storeTimeoutMs = 50, onOutcome = () => {}, clock = systemClock } = options;
  const { newId = newUuid, log = silentLog } = options;
  const store = boundedStore(options.store, { timeoutMs: storeTimeoutMs, log, clock });
  const generations = new Generations(store, { clock, newId });
  const common = { store, ttlMs, clock };
  // What an entry looks like is part of its key: another version of this code has other entries.
  const pages = createCache({ ...common, prefix: "page/1/", encode: encodePage, decode: decodePage });
  const suggestions = createCache({ ...common, prefix: "suggest/1/", encode: encodeJson, decode: decodeSuggestions });

  async function cached<T>(
    cache: Pick<Cache<T>, "get">,
    { index, question, signal }: Asked,
    ask: (signal: AbortSignal | undefined) => Promise<T>,
  ): Promise<T> {
    const generation = await generations.settled(index);
    let outcome: CacheOutcome = generation === undefined ? "bypass" : "hit";
    const load = (all?: AbortSignal): Promise<T> => {
      if (outcome === "hit") outcome = "miss";
      return ask(all);
    };
    const key = generation === undefined ? undefined : keyOf(index, generation, question);
    const answer = key === undefined ? undefined : await cache.get(key, load, signal);
    const given = answer ?? (await load(signal));
    onOutcome(outcome);
    if (generation === undefined) await generations.introduce(index);
    return given;
  }

  return {
    search: (index, query, signal) =>
      query.after === undefined
        ? cached<SearchPage>(pages, { index, question: query, signal }, (all) => engine.search(index, query, all))
        : engine.search(index, query, signal),
    suggest: (index, { prefix, limit }, signal) =>
      cached<Suggestions>(suggestions, { index, question: { prefix, limit }, signal }, (all) =>
        engine.suggest(index, { prefix, limit }, all),
      ),
    createIndex: (definition) => engine.createIndex(definition),
    deleteIndex: (index) => engine.deleteIndex(index),
    reindex: (index, options) => engine.reindex(index, options),
    apply: (index, changes) => engine.apply(index, changes),
    getIndex: (index) => engine.getIndex(index),
    listIndexes: () => engine.listIndexes(),
    getDocument: (index, id) => engine.getDocument(index, id),
    scan: (index, query, signal) => engine.scan(index, query, signal),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

interface Asked {
  readonly index: string;
  readonly question: unknown;
  readonly signal: AbortSignal | undefined;
}

function keyOf(index: string, generation: string, question: unknown): string {
  const text = JSON.stringify([index, generation, question]);
  return createHash("sha256").update(text).digest("base64url");
}

interface Known {
  readonly generation: string;
  /** On the monotonic clock of this process: clocks of different machines differ. */
  readonly since: number;
}

/** Most indexes that are remembered. */
const maxKnown = 1000;

/** The generations of indexes as a reader sees them. */
class Generations {
  readonly #store: Pick<StateStore, "get" | "set">;
  readonly #clock: Clock;
  readonly #newId: NewId;
  readonly #known = new Map<string, Known>();
  /** Indexes whose generation the store was asked for and does not have. */
  readonly #absent = new Set<string>();

  constructor(store: Pick<StateStore, "get" | "set">, options: { readonly clock: Clock; readonly newId: NewId }) {
    this.#store = store;
    this.#clock = options.clock;
    this.#newId = options.newId;
  }

  /** The generation, if nothing has changed for long enough. */
  async settled(index: string): Promise<string | undefined> {
    let generation: string | undefined;
    try {
      const entry = await this.#store.get(generationKey(index));
      generation = entry && Buffer.from(entry.value).toString();
    } catch {
      return undefined;
    }
    if (generation === undefined) {
      if (this.#absent.size < maxKnown) this.#absent.add(index);
      return undefined;
    }
    const now = this.#clock.monotonic();
    const known = this.#known.get(index);
    if (known?.generation === generation) return now - known.since >= settleMs ? generation : undefined;
    if (this.#known.size >= maxKnown) this.#known.clear();
    this.#known.set(index, { generation, since: now });
    return undefined;
  }

  /** Gives an index its first generation. For one that exists only, or anybody could fill the store with names. */
  async introduce(index: string): Promise<void> {
    if (!this.#absent.delete(index)) return;
    await this.#store.set(generationKey(index), Buffer.from(this.#newId()), { ifAbsent: true }).catch(() => undefined);
  }
}
