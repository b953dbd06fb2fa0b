import { type ManualClock, WeftError } from "@weft/kit";
import type { SearchEngine, SearchPage } from "@weft/search";
import type { StateEntry, StateStore } from "@weft/state";

const unused = async (): Promise<never> => {
  throw new WeftError("UNIMPLEMENTED", "not needed here");
};

/**
 * An engine whose only document is a number: a change makes it greater, and a search gives it. As slow to answer, and to
 * show a change that resolved, as it is told.
 */
export class ToyEngine implements SearchEngine {
  asked = 0;
  /** How late a change is found, in milliseconds. */
  showMs = 0;
  /** What a search waits for before it looks, and after. */
  before: () => Promise<void> = async () => undefined;
  after: () => Promise<void> = async () => undefined;
  failing = false;
  /** The signals of searches. */
  readonly signals: (AbortSignal | undefined)[] = [];
  readonly #clock: ManualClock;
  #changes: { readonly value: number; readonly from: number }[] = [{ value: 0, from: -Infinity }];

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  get value(): number {
    const shown = this.#changes.filter(({ from }) => from <= this.#clock.monotonic());
    return Math.max(...shown.map(({ value }) => value));
  }

  apply: SearchEngine["apply"] = async (_index, changes) => {
    const value = this.#changes.length;
    this.#changes = [...this.#changes, { value, from: this.#clock.monotonic() + this.showMs }];
    if (this.failing) throw new WeftError("UNAVAILABLE", "it may have happened");
    return changes.map(() => ({ outcome: "applied" }));
  };

  search: SearchEngine["search"] = async (index, _query, signal) => {
    this.asked += 1;
    this.signals.push(signal);
    if (index === "none") throw new WeftError("NOT_FOUND", "there is no such index");
    await this.before();
    const page: SearchPage = {
      hits: [{ id: "1", score: 1.5, document: { n: this.value }, highlights: new Map([["n", ["<em>1</em>"]]]) }],
      totalHits: this.value,
      totalExact: true,
      facets: new Map([["n", [{ value: true, count: 1 }]]]),
      next: "token",
    };
    await this.after();
    return page;
  };

  suggest: SearchEngine["suggest"] = async (_index, { prefix }) => {
    this.asked += 1;
    return [{ text: `${prefix}${this.value}`, id: "1" }];
  };

  deleteIndex = async (): Promise<void> => undefined;
  reindex: SearchEngine["reindex"] = async (index) => {
    await this.apply(index, []);
    return { definition: { index, idField: "id", fields: new Map() }, createTime: 0, documentCount: 1 };
  };
  createIndex = unused;
  getIndex = unused;
  listIndexes = unused;
  getDocument = unused;
  async *scan(): AsyncGenerator<never> {
    return;
  }
  async [Symbol.asyncDispose](): Promise<void> {}
}

/** A store in memory, whose entries expire, and which can be made to fail or to wait. */
export class ToyStore implements Pick<StateStore, "get" | "set" | "delete"> {
  readonly entries = new Map<string, { readonly entry: StateEntry; readonly until: number }>();
  readonly writes: string[] = [];
  /** Goes before each call. */
  before: () => Promise<void> = async () => undefined;
  failsToWrite = false;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  get: StateStore["get"] = async (key) => {
    await this.before();
    const stored = this.entries.get(key);
    return stored !== undefined && stored.until > this.#clock.now() ? stored.entry : undefined;
  };

  set: StateStore["set"] = async (key, value, options = {}) => {
    await this.before();
    if (this.failsToWrite) throw new WeftError("UNAVAILABLE", "away");
    if (options.ifAbsent === true && this.entries.has(key)) throw new WeftError("ETAG_MISMATCH", "there is one");
    this.writes.push(key);
    const etag = String(this.writes.length);
    this.entries.set(key, { entry: { key, value, etag }, until: this.#clock.now() + (options.ttlMs ?? Infinity) });
    return etag;
  };

  delete: StateStore["delete"] = async (key) => {
    await this.before();
    this.entries.delete(key);
  };
}
