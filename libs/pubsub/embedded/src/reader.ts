import { WeftError } from "@weft/kit";
import { partitionOf, type ReadOptions, type StoredEvent } from "@weft/pubsub";
import type { SqliteFile } from "@weft/sqlite";
import type { EventLog } from "./event-log.ts";

/** What is in memory at once. */
const page = { maxEvents: 256, maxBytes: 1_000_000 };

export interface ReaderOptions extends ReadOptions {
  readonly file: SqliteFile;
  readonly log: EventLog;
  /** Where each partition ends, unless it is followed: before the first event published at or after that instant. */
  readonly to?: number;
}

/** A stretch of a partition that is still to be read. */
interface Stretch {
  readonly number: number;
  position: number;
  end: number;
}

/** Events of a topic, a page of each partition in turn. Ends when the signal aborts. `NOT_FOUND` for a topic that is not there. */
export async function* readEvents(options: ReaderOptions, signal: AbortSignal): AsyncGenerator<StoredEvent> {
  const { file, log, topic, key, follow = false } = options;
  const stretches = stretchesOf(options);
  using changes = new Changes(file, signal);
  while (!signal.aborted) {
    const changed = changes.next();
    if (follow) for (const stretch of stretches) stretch.end = log.end(topic, stretch.number);
    let some = false;
    for (const stretch of stretches) {
      const entries = log.read(topic, stretch.number, stretch.position, page);
      for (const { offset, at, ...event } of entries) {
        if (offset >= stretch.end) break;
        stretch.position = offset + 1;
        some = true;
        if (key !== undefined && event.key !== key) continue;
        yield { ...event, topic, partition: stretch.number, offset: BigInt(offset), publishTime: at };
        if (signal.aborted) return;
      }
      // What lies behind may have been dropped meanwhile.
      if (entries.length === 0) stretch.position = stretch.end;
      // Others get at the thread in between.
      await new Promise((resolve) => setImmediate(resolve));
      if (signal.aborted) return;
    }
    if (some || stretches.some(({ position, end }) => position < end)) continue;
    if (!follow) return;
    await changed;
  }
}

function stretchesOf({ log, topic, from = "earliest", key, to }: ReaderOptions): readonly Stretch[] {
  const ends = log.ends(topic);
  if (ends.length === 0) throw new WeftError("NOT_FOUND", `there is no topic ${topic}`);
  const only = key === undefined ? undefined : partitionOf(key, ends.length);
  return [...ends.entries()]
    .filter(([number]) => only === undefined || number === only)
    .map(([number, end]) => ({
      number,
      position: from === "earliest" ? 0 : from === "latest" ? end : log.offsetAt(topic, number, from),
      end: to === undefined ? end : log.offsetAt(topic, number, to),
    }));
}

/** Changes of the file, for one who waits for the next; none is missed between two. */
class Changes implements Disposable {
  readonly #watch: Disposable;
  #next = Promise.withResolvers<void>();
  readonly #wake = (): void => {
    this.#next.resolve();
    this.#next = Promise.withResolvers();
  };
  readonly #signal: AbortSignal;

  constructor(file: SqliteFile, signal: AbortSignal) {
    this.#watch = file.onChange(this.#wake);
    this.#signal = signal;
    signal.addEventListener("abort", this.#wake, { once: true });
  }

  /** Resolves at the first change from now on, or when the signal aborts. */
  next(): Promise<void> {
    return this.#next.promise;
  }

  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#signal.removeEventListener("abort", this.#wake);
  }
}
