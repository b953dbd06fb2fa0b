import { type Clock, WeftError } from "@weft/kit";
import type { KeyedEvent } from "@weft/pubsub";
import type { SqliteFile } from "@weft/sqlite";
import type { EventLog } from "./event-log.ts";

/** Events that one transaction takes before it lets others have the thread and the file. */
const maxBatch = 1000;
/** Events that may wait for a transaction. */
const maxWaiting = 50_000;

interface Call {
  readonly topic: string;
  readonly events: readonly KeyedEvent[];
  readonly done: PromiseWithResolvers<void>;
}

/** Puts calls that come in one turn of the event loop into one transaction: a commit costs more than an event. */
export class Publisher {
  readonly #file: SqliteFile;
  readonly #log: EventLog;
  readonly #clock: Clock;
  #calls: Call[] = [];
  #waiting = 0;
  #scheduled = false;

  constructor(file: SqliteFile, log: EventLog, clock: Clock) {
    this.#file = file;
    this.#log = log;
    this.#clock = clock;
  }

  /** Resolves after the commit. `RESOURCE_EXHAUSTED` when too much waits already. */
  publish(topic: string, events: readonly KeyedEvent[]): Promise<void> {
    if (this.#waiting > 0 && this.#waiting + events.length > maxWaiting) {
      return Promise.reject(new WeftError("RESOURCE_EXHAUSTED", "too many events wait to be written"));
    }
    const done = Promise.withResolvers<void>();
    this.#calls.push({ topic, events, done });
    this.#waiting += events.length;
    this.#schedule();
    return done.promise;
  }

  /** Writes everything that waits. */
  flush(): void {
    while (this.#calls.length > 0) this.#writeSome();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#writeSome();
      if (this.#calls.length > 0) this.#schedule();
    });
  }

  #writeSome(): void {
    const batch: Call[] = [];
    let count = 0;
    for (const call of this.#calls) {
      batch.push(call);
      count += call.events.length;
      if (count >= maxBatch) break;
    }
    if (batch.length === 0) return;
    this.#calls = this.#calls.slice(batch.length);
    this.#waiting -= count;
    const topics = Map.groupBy(batch, (call) => call.topic);
    try {
      this.#file.transaction(() => {
        for (const [topic, calls] of topics) {
          const events = calls.flatMap((call) => call.events);
          this.#log.append(topic, events, this.#clock.now());
        }
      });
    } catch (error) {
      for (const { done } of batch) done.reject(error);
      return;
    }
    for (const { done } of batch) done.resolve();
  }
}
