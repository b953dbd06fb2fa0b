import { backoffMs, type Clock, type Log, WeftError } from "@weft/kit";
import { CompressionTypes } from "kafkajs";
import { requestTimeoutMs } from "./client.ts";
import { protocolType } from "./errors.ts";
import type { Writer } from "./producer.ts";
import type { OutgoingRecord } from "./protocol.ts";
import type { Renewed } from "./renewed.ts";

/** What one request carries: a broker takes 1 MiB for a partition, headers included. */
const maxBatchBytes = 1_000_000;
/** What may wait to be sent. */
const maxWaiting = { events: 50_000, bytes: 64 * 1024 * 1024 };
/** How long a request may take with its retries, in milliseconds. */
const sendTimeoutMs = requestTimeoutMs + 1000;

/** A producer that is another one after each failure. */
export type Sender = Pick<Renewed<Writer>, "once">;

export interface PublisherOptions {
  readonly sender: Sender;
  readonly clock: Clock;
  readonly log: Log;
  readonly gzip: boolean;
  /** Within what an event is durable or refused, in milliseconds. */
  readonly deadlineMs: number;
  /** Called when a topic turned out not to be there. */
  readonly onMissing: (topic: string) => Promise<void>;
}

/** Records that are accepted or refused together. */
interface Parcel {
  readonly topic: string;
  readonly records: readonly OutgoingRecord[];
  readonly bytes: number;
  /** On the monotonic clock. */
  readonly deadline: number;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * Sends one request at a time; what is published meanwhile goes into the next one. More requests under way would gain
 * nothing, as kafkajs sends an idempotent producer's one after the other, and could lose events: when one fails, kafkajs
 * gives its sequence numbers to whichever request is next, which the broker may then take for the first one, sent again.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  #waiting: Parcel[] = [];
  #waitingEvents = 0;
  #waitingBytes = 0;
  #running: Promise<void> | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Resolves when every record is on all replicas in sync. `RESOURCE_EXHAUSTED` when too much waits already. */
  async publish(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
    const { events, bytes } = maxWaiting;
    const parcels = this.#parcels(topic, records);
    const size = parcels.reduce((sum, parcel) => sum + parcel.bytes, 0);
    const full = this.#waitingEvents + records.length > events || this.#waitingBytes + size > bytes;
    if (this.#waitingEvents > 0 && full) {
      throw new WeftError("RESOURCE_EXHAUSTED", "too many events wait to be written");
    }
    for (const parcel of parcels) this.#waiting.push(parcel);
    this.#waitingEvents += records.length;
    this.#waitingBytes += size;
    this.#running ??= this.#run();
    const results = await Promise.allSettled(parcels.map(({ done }) => done.promise));
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  /** Resolves when nothing waits any more. */
  async flush(): Promise<void> {
    await this.#running;
  }

  #parcels(topic: string, records: readonly OutgoingRecord[]): Parcel[] {
    const { clock, deadlineMs } = this.#options;
    const deadline = clock.monotonic() + deadlineMs;
    const parcels: Parcel[] = [];
    let part: OutgoingRecord[] = [];
    let bytes = 0;
    const close = (): void => {
      if (part.length === 0) return;
      const parcel = { topic, records: part, bytes, deadline, done: Promise.withResolvers<void>() };
      parcels.push(parcel);
      part = [];
      bytes = 0;
    };
    for (const record of records) {
      const size = sizeOf(record);
      if (bytes + size > maxBatchBytes) close();
      part.push(record);
      bytes += size;
    }
    close();
    return parcels;
  }

  async #run(): Promise<void> {
    // One turn of the event loop, so that calls made together travel together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#nextBatch();
      await this.#deliver(batch);
      this.#waitingEvents -= batch.reduce((sum, parcel) => sum + parcel.records.length, 0);
      this.#waitingBytes -= batch.reduce((sum, parcel) => sum + parcel.bytes, 0);
    }
    this.#running = undefined;
  }

  #nextBatch(): Parcel[] {
    let bytes = 0;
    let count = 0;
    for (const parcel of this.#waiting) {
      bytes += parcel.bytes;
      if (count > 0 && bytes > maxBatchBytes) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }

  /** Sends the parcels, again and again if need be, until each is written, refused or too old. Never rejects. */
  async #deliver(parcels: readonly Parcel[]): Promise<void> {
    const { clock, log, onMissing } = this.#options;
    let left = parcels;
    for (let number = 1; left.length > 0; number += 1) {
      let error: WeftError;
      try {
        await this.#send(left);
        for (const { done } of left) done.resolve();
        return;
      } catch (cause) {
        error = WeftError.from(cause);
      }
      if (!error.retryable && left.length > 1) {
        // One of them is to blame: the others must not suffer for it.
        for (const parcel of left) await this.#deliver([parcel]);
        return;
      }
      const now = clock.monotonic();
      const waitMs = backoffMs(number, { initialMs: 50, maxMs: 1000 });
      const over = left.filter((parcel) => !error.retryable || parcel.deadline <= now + waitMs);
      for (const { done } of over) done.reject(error);
      this.#refuseOld(now + waitMs, error);
      left = left.filter((parcel) => !over.includes(parcel));
      if (left.length === 0) return;
      log.debug({ err: error, number }, "events are sent again");
      try {
        if (protocolType(error) === "UNKNOWN_TOPIC_OR_PARTITION") {
          for (const topic of new Set(left.map((parcel) => parcel.topic))) await onMissing(topic);
        }
      } catch {
        // The next try shows it.
      }
      await clock.sleep(waitMs);
    }
  }

  /** Those that wait behind a failing request don't wait longer than they may. */
  #refuseOld(time: number, error: WeftError): void {
    const old = this.#waiting.filter((parcel) => parcel.deadline <= time);
    if (old.length === 0) return;
    this.#waiting = this.#waiting.filter((parcel) => parcel.deadline > time);
    for (const { done, records, bytes } of old) {
      this.#waitingEvents -= records.length;
      this.#waitingBytes -= bytes;
      done.reject(error);
    }
  }

  async #send(parcels: readonly Parcel[]): Promise<void> {
    const { sender, clock, gzip } = this.#options;
    const topics = Map.groupBy(parcels, (parcel) => parcel.topic);
    const leftMs = Math.max(...parcels.map(({ deadline }) => deadline)) - clock.monotonic();
    await sender.once("publishing", Math.max(1, Math.min(leftMs, sendTimeoutMs)), (open) =>
      open.sendBatch({
        acks: -1,
        timeout: requestTimeoutMs,
        compression: gzip ? CompressionTypes.GZIP : CompressionTypes.None,
        topicMessages: [...topics].map(([topic, of]) => ({
          topic,
          messages: of.flatMap(({ records }) => [...records]),
        })),
      }),
    );
  }
}

/** Bytes on the wire, nearly. */
function sizeOf({ key, value, headers }: OutgoingRecord): number {
  let bytes = 64 + lengthOf(key) + lengthOf(value);
  for (const [name, text] of Object.entries(headers ?? {})) bytes += name.length + Buffer.byteLength(text) + 4;
  return bytes;
}

function lengthOf(part: Buffer | string | null | undefined): number {
  if (part === null || part === undefined) return 0;
  return typeof part === "string" ? Buffer.byteLength(part) : part.length;
}
