import { backoffMs, FailureLog, WeftError, withTimeout } from "@weft/kit";
import type { ChangeResult, DocumentChange } from "@weft/search";
import { type FullOptions, type PipelineOptions, withDefaults } from "./options.ts";
import { ParallelLimit } from "./parallel.ts";
import { Room } from "./room.ts";
import { failed, type Item, send, sizeOf } from "./send.ts";
import { Turns } from "./turns.ts";

export type { PipelineEngine, PipelineOptions } from "./options.ts";

/** Waits before further tries, with full jitter. */
const betweenTries = { initialMs: 100, maxMs: 10_000 };

/**
 * Changes on their way into one index. Each that is taken gets one result: it was applied, or superseded by a newer
 * version, which is a success of that one, or it failed with a reason. What fails for a reason that may pass is tried
 * again; a request that failed as a whole is a failure of each change in it.
 *
 * Changes of one document are applied in the order in which they came. Those with versions may overtake each other, which
 * changes nothing in the end.
 */
export interface Pipeline extends AsyncDisposable {
  /**
   * Resolves when the change is taken: it waits for room in the buffer, and that is how a source is slowed down. Its
   * result comes later, by `onResult`, which must not throw. Rejects when the pipeline is disposed or aborted, and the
   * change was not taken.
   */
  add(change: DocumentChange, onResult: (result: ChangeResult) => void): Promise<void>;
  /** Adds changes and waits for their results; rejects as `add` does. */
  write(changes: readonly DocumentChange[]): Promise<readonly ChangeResult[]>;
  /** Sends what was taken without waiting for more. Resolves when all of it has its results. */
  flush(): Promise<void>;
  /**
   * Takes nothing more, sends what there is, and waits for it, at most `drainTimeoutMs`. What has no result then fails:
   * with `DRAINING`, or with `DEADLINE_EXCEEDED` when it is under way and may yet be applied.
   */
  [Symbol.asyncDispose](): Promise<void>;
}

/** A pipeline into an index. `INVALID_ARGUMENT` for numbers that can't be. */
export function openPipeline(options: PipelineOptions): Pipeline {
  return new BulkPipeline(withDefaults(options));
}

class BulkPipeline implements Pipeline {
  readonly #options: FullOptions;
  readonly #room: Room;
  readonly #turns = new Turns<Item>();
  readonly #parallel: ParallelLimit;
  readonly #outage: FailureLog;
  /** All without a result, oldest first. */
  readonly #items = new Set<Item>();
  /** Those that may be sent now: what has waited for its turn or for another try, then the rest, oldest first. */
  #ready: Item[] = [];
  #readyBytes = 0;
  #underWay = 0;
  /** Batches that wait to be sent again. */
  #retrying = 0;
  #taken = 0;
  /** Of these numbers and below, none waits for more to go with it. */
  #flushing = 0;
  #flushes: { readonly number: number; readonly done: PromiseWithResolvers<void> }[] = [];
  #hasTimer = false;
  /** Aborted with the error that further changes get. */
  readonly #closing = new AbortController();
  readonly #ended = new AbortController();
  #disposed: Promise<void> | undefined;
  #bulkLoad: Promise<AsyncDisposable | undefined> | undefined;

  constructor(options: FullOptions) {
    this.#options = options;
    const { maxBufferedDocuments: count, maxBufferedBytes: bytes, maxParallel, log, index, signal } = options;
    this.#room = new Room({ count, bytes });
    this.#parallel = new ParallelLimit(maxParallel);
    this.#outage = new FailureLog(log, {
      began: `documents for ${index} are turned away and tried again`,
      ended: `documents for ${index} are taken again`,
    });
    const abort = (): void => this.#abort(WeftError.from(signal?.reason));
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true, signal: this.#ended.signal });
  }

  async add(change: DocumentChange, onResult: (result: ChangeResult) => void): Promise<void> {
    const { maxDocumentBytes } = this.#options;
    const bytes = sizeOf(change);
    this.#closing.signal.throwIfAborted();
    if (bytes > maxDocumentBytes) {
      const detail = `the document has ${bytes} bytes, more than ${maxDocumentBytes}`;
      return onResult({ outcome: "failed", reason: "PAYLOAD_TOO_LARGE", detail });
    }
    const enter = (): void => this.#take(change, onResult, bytes);
    if (this.#room.tryTake(bytes)) enter();
    else await this.#room.take(bytes, enter);
    this.#pump();
  }

  async write(changes: readonly DocumentChange[]): Promise<readonly ChangeResult[]> {
    const results = changes.map(() => Promise.withResolvers<ChangeResult>());
    for (const [at, change] of changes.entries()) await this.add(change, (result) => results[at]?.resolve(result));
    return Promise.all(results.map(({ promise }) => promise));
  }

  async flush(): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#flushing = this.#taken;
    this.#flushes.push({ number: this.#taken, done });
    this.#endFlushes();
    this.#pump();
    await done.promise;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return (this.#disposed ??= this.#dispose());
  }

  async #dispose(): Promise<void> {
    const { clock, drainTimeoutMs: timeoutMs } = this.#options;
    this.#close(new WeftError("DRAINING", "the pipeline is closed"));
    try {
      await withTimeout(() => this.flush(), { timeoutMs, what: "draining the pipeline", clock });
    } catch (error) {
      this.#fail([...this.#items], (item) => {
        return item.isUnderWay ? failed(error) : failed(this.#closing.signal.reason);
      });
    } finally {
      this.#ended.abort();
    }
    await this.#endBulkLoad();
  }

  /** There is room for it. */
  #take(change: DocumentChange, onResult: Item["onResult"], bytes: number): void {
    const { clock, flushMs } = this.#options;
    this.#taken += 1;
    const dueAt = clock.monotonic() + flushMs;
    const item: Item = { change, onResult, bytes, number: this.#taken, dueAt, tries: 0, isUnderWay: false };
    this.#items.add(item);
    if (this.#turns.enter(item)) {
      this.#ready.push(item);
      this.#readyBytes += bytes;
    }
    this.#tellEngine();
  }

  /** Nothing more is taken. */
  #close(error: WeftError): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(error);
    this.#room.refuse(error);
  }

  #abort(error: WeftError): void {
    this.#close(error);
    this.#fail(
      [...this.#items].filter(({ isUnderWay }) => !isUnderWay),
      () => failed(error),
    );
  }

  #fail(items: readonly Item[], resultOf: (item: Item) => ChangeResult): void {
    this.#ready = [];
    this.#readyBytes = 0;
    this.#settle(items.map((item) => [item, resultOf(item)]));
  }

  /** Sends what is due, as far as requests may be under way, and wakes for what is not. */
  #pump(): void {
    while (this.#underWay < this.#parallel.limit && this.#isDue()) void this.#send(this.#nextBatch());
    const [first] = this.#ready;
    if (first === undefined || this.#hasTimer || this.#isDue()) return;
    const { clock } = this.#options;
    this.#hasTimer = true;
    clock
      .sleep(Math.max(0, first.dueAt - clock.monotonic()), this.#ended.signal)
      .then(() => {
        this.#hasTimer = false;
        this.#pump();
      })
      // It ended before.
      .catch(() => undefined);
  }

  #isDue(): boolean {
    const { flushDocuments, flushBytes, clock } = this.#options;
    const [first] = this.#ready;
    if (first === undefined) return false;
    if (this.#ready.length >= flushDocuments || this.#readyBytes >= flushBytes) return true;
    return first.number <= this.#flushing || first.dueAt <= clock.monotonic();
  }

  #nextBatch(): readonly Item[] {
    const { flushDocuments, flushBytes } = this.#options;
    let bytes = 0;
    let count = 0;
    for (const item of this.#ready) {
      if (count === flushDocuments || (count > 0 && bytes + item.bytes > flushBytes)) break;
      bytes += item.bytes;
      count += 1;
    }
    this.#readyBytes -= bytes;
    return this.#ready.splice(0, count);
  }

  /** Never rejects. */
  async #send(batch: readonly Item[]): Promise<void> {
    const { flushDocuments, flushBytes, clock, signal } = this.#options;
    // Anything less than half is over sooner than the next large one.
    const full =
      batch.length * 2 >= flushDocuments || batch.reduce((sum, { bytes }) => sum + bytes, 0) * 2 >= flushBytes;
    for (const item of batch) item.isUnderWay = true;
    this.#underWay += 1;
    const startedAt = clock.monotonic();
    const { results, again, retryAfterMs, failure } = await send(this.#options, batch);
    const parallel = this.#underWay;
    this.#underWay -= 1;
    const overloaded = failure !== undefined;
    this.#parallel.take({ startedAt, endedAt: clock.monotonic(), parallel, full, overloaded });
    if (overloaded) this.#outage.failed(failure);
    else if (this.#retrying === 0) this.#outage.worked();
    this.#settle(results);
    if (signal?.aborted) this.#settle(again.map((item) => [item, failed(signal.reason)]));
    else if (again.length > 0) void this.#sendLater(again, retryAfterMs);
    this.#pump();
  }

  /** What failed together goes again together, after one wait: many small requests would be the heavier load. */
  async #sendLater(items: readonly Item[], retryAfterMs: number): Promise<void> {
    const { clock, random } = this.#options;
    this.#retrying += 1;
    for (const item of items) item.isUnderWay = false;
    const tries = Math.max(...items.map((item) => item.tries));
    const waitMs = retryAfterMs + backoffMs(tries, { ...betweenTries, random });
    // While it waits the pipeline may have been aborted, which gave them their results.
    await clock.sleep(waitMs, this.#ended.signal).catch(() => undefined);
    this.#retrying -= 1;
    this.#makeReady(items);
    this.#pump();
  }

  /** They have waited: they go first, and at once. */
  #makeReady(items: readonly Item[]): void {
    const left = items.filter((item) => this.#items.has(item));
    if (left.length === 0) return;
    for (const item of left) {
      item.dueAt = this.#options.clock.monotonic();
      this.#readyBytes += item.bytes;
    }
    this.#ready = [...left, ...this.#ready];
  }

  /** Gives results, each once, and lets in what waited for them. */
  #settle(results: readonly (readonly [Item, ChangeResult])[]): void {
    // One may have its result already, and its answer comes after all.
    const first = results.filter(([item]) => this.#items.delete(item));
    this.#makeReady(first.flatMap(([item]) => this.#turns.leave(item)));
    for (const [{ bytes }] of first) this.#room.give(bytes);
    this.#endFlushes();
    for (const [{ onResult }, result] of first) onResult(result);
  }

  #endFlushes(): void {
    const [oldest] = this.#items;
    const isDone = ({ number }: { readonly number: number }): boolean => oldest === undefined || oldest.number > number;
    for (const { done } of this.#flushes.filter(isDone)) done.resolve();
    this.#flushes = this.#flushes.filter((flush) => !isDone(flush));
  }

  #tellEngine(): void {
    const { engine, index, bulkLoadAfter, log } = this.#options;
    if (this.#taken <= bulkLoadAfter || this.#bulkLoad !== undefined) return;
    // The load goes in without it, too.
    this.#bulkLoad = Promise.resolve(engine.bulkLoad?.(index)).catch((err: unknown) => {
      log.warn({ err }, `the settings of ${index} are not relaxed for a bulk load`);
      return undefined;
    });
  }

  async #endBulkLoad(): Promise<void> {
    const { index, log } = this.#options;
    try {
      await (await this.#bulkLoad)?.[Symbol.asyncDispose]();
    } catch (err) {
      log.warn({ err }, `the settings of ${index} are restored later`);
    }
  }
}
