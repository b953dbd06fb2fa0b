import { setImmediate } from "node:timers/promises";
import { backoffMs, type Clock, type WeftError } from "@weft/kit";
import { attempt, type AttemptOptions, type Delivery, type Failed, type Outcome, pauseMs } from "@weft/pubsub";
import type { PartitionId } from "./membership.ts";
import type { KafkaRecord } from "./protocol.ts";
import type { Slots } from "./slots.ts";

/** Below this a lane asks for more, so that at most this and one fetch are in memory. */
const lowWater = { records: 500, bytes: 256 * 1024 };
/** How long a lane keeps its place while others, or the network, wait for it, in milliseconds: the delivery in hand is finished. */
const turnMs = 10;

/** What a record says. */
export type Item =
  | { readonly kind: "delivery"; readonly delivery: Delivery; readonly earlier?: Failed }
  /** Nothing for a handler: straight to the dead letters. */
  | { readonly kind: "dead"; readonly failed: Failed }
  | { readonly kind: "skip" };

/** An outcome for which something is to be written before the offset moves on. */
export type Parked = Extract<Outcome, { kind: "retry" | "dead" }>;

export interface LaneOptions extends Pick<AttemptOptions, "handle" | "policy"> {
  readonly id: PartitionId;
  /** The first offset that is not acknowledged. */
  readonly position: bigint;
  readonly slots: Slots;
  readonly clock: Clock;
  readonly read: (record: KafkaRecord) => Item;
  /** Makes a failed delivery durable beside its partition. */
  readonly park: (outcome: Parked) => Promise<void>;
  /** Something was acknowledged. */
  readonly onProgress: () => void;
  /** There is room for more records. */
  readonly onHungry: () => void;
  /** Told of the first transient failure of a run; of one in which a failure can't be written down, now and then. */
  readonly onPause: (error: Error, waitMs: number) => void;
}

interface Buffered {
  readonly record: KafkaRecord;
  readonly offset: bigint;
  /** Read once; a retry that waits for its time is looked at again. */
  item?: Item;
}

/** Hands the records of one partition to the handler, one after the other. */
export class Lane {
  readonly id: PartitionId;
  /** The first offset that is not acknowledged: what may be committed. */
  position: bigint;
  /** Where the next fetch begins. */
  fetchPosition: bigint;
  readonly #options: LaneOptions;
  readonly #abort = new AbortController();
  readonly #stop = new AbortController();
  readonly #attempt: AttemptOptions;
  #buffer: Buffered[] = [];
  #bytes = 0;
  #running: Promise<void> | undefined;
  #pauses = 0;

  constructor(options: LaneOptions) {
    this.#options = options;
    this.id = options.id;
    this.position = options.position;
    this.fetchPosition = options.position;
    const { handle, policy, clock } = options;
    this.#attempt = { handle, policy, clock, signal: this.#abort.signal };
  }

  /** Whether there is room for more records. */
  get hungry(): boolean {
    if (this.#stop.signal.aborted) return false;
    return this.#buffer.length < lowWater.records && this.#bytes < lowWater.bytes;
  }

  /** Takes fetched records, in order; `next` is the offset after them, those included that hold nothing. */
  offer(records: readonly KafkaRecord[], next: bigint): void {
    if (this.#stop.signal.aborted) return;
    // A batch comes whole, however late in it the fetch began.
    for (const record of records) {
      const offset = BigInt(record.offset);
      if (offset < this.fetchPosition) continue;
      this.#buffer.push({ record, offset });
      this.#bytes += sizeOf(record);
    }
    if (next > this.fetchPosition) this.fetchPosition = next;
    if (this.#buffer.length > 0) this.#running ??= this.#run();
  }

  /** The log has nothing where the lane wanted to go on: it goes on at `offset`, with what it has in hand before. */
  skipTo(offset: bigint): void {
    if (this.#buffer.length === 0) this.position = offset;
    this.fetchPosition = offset;
  }

  /** Finishes the delivery in hand, for at most `graceMs`; then its signal is aborted, and it has another second. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort();
    const running = this.#running;
    if (running !== undefined) {
      await this.#within(graceMs, running);
      this.#abort.abort();
      await this.#within(1000, running);
    }
    this.abandon();
  }

  /** From here on nothing is acknowledged any more. */
  abandon(): void {
    this.#stop.abort();
    this.#abort.abort();
    this.#buffer = [];
  }

  async #run(): Promise<void> {
    const { slots, clock } = this.#options;
    const stopped = this.#stop.signal;
    while (!stopped.aborted && this.#buffer.length > 0) {
      const dueMs = this.#untilDue();
      if (dueMs > 0) await clock.sleep(dueMs, stopped).catch(() => undefined);
      if (stopped.aborted) break;
      await slots.acquire();
      const end = clock.monotonic() + turnMs;
      let waitMs = 0;
      let isTurnOver = false;
      try {
        while (waitMs === 0 && !isTurnOver && this.#ready()) {
          waitMs = await this.#step();
          isTurnOver = clock.monotonic() >= end;
        }
      } finally {
        slots.release();
      }
      if (waitMs > 0) await clock.sleep(waitMs, stopped).catch(() => undefined);
      // Handlers that wait for nothing would keep the next answer of a broker from being read until the last record.
      else if (isTurnOver) await setImmediate();
    }
    this.#running = undefined;
  }

  #ready(): boolean {
    return !this.#stop.signal.aborted && this.#buffer.length > 0 && this.#untilDue() <= 0;
  }

  /** How long the first record has to wait, in milliseconds. */
  #untilDue(): number {
    const first = this.#buffer[0];
    if (first === undefined) return 0;
    first.item ??= this.#options.read(first.record);
    if (first.item.kind !== "delivery" || first.item.earlier === undefined) return 0;
    return first.item.earlier.due - this.#options.clock.now();
  }

  /** Settles the first record. Gives how long to wait before it is tried again, in milliseconds; 0 when it is done. */
  async #step(): Promise<number> {
    const first = this.#buffer[0];
    if (first === undefined) return 0;
    const item = (first.item ??= this.#options.read(first.record));
    if (item.kind === "dead") await this.#park({ kind: "dead", failed: item.failed });
    if (item.kind === "delivery") {
      const { delivery, earlier } = item;
      const outcome = await attempt(delivery, earlier === undefined ? this.#attempt : { ...this.#attempt, earlier });
      if (outcome.kind === "paused") return this.#pause(outcome.error);
      this.#pauses = 0;
      if (outcome.kind === "retry" || outcome.kind === "dead") await this.#park(outcome);
    }
    if (this.#abort.signal.aborted) return 0;
    this.#acknowledge(first);
    return 0;
  }

  /** How long to wait, in milliseconds. */
  #pause(error: WeftError): number {
    this.#pauses += 1;
    const waitMs = pauseMs(this.#pauses, error);
    if (this.#pauses === 1) this.#options.onPause(error, waitMs);
    return waitMs;
  }

  /** Writes the failure down, however long it takes: the handler has had its tries, and is not to have them again. */
  async #park(outcome: Parked): Promise<void> {
    const { park, clock, onPause } = this.#options;
    const signal = this.#abort.signal;
    for (let number = 1; !signal.aborted; number += 1) {
      try {
        return await park(outcome);
      } catch (cause) {
        const waitMs = backoffMs(number, { initialMs: 200, maxMs: 5000 });
        if (number % 20 === 1) onPause(cause instanceof Error ? cause : new Error(String(cause)), waitMs);
        await clock.sleep(waitMs, signal).catch(() => undefined);
      }
    }
  }

  #acknowledge({ record, offset }: Buffered): void {
    const wasHungry = this.hungry;
    this.#buffer.shift();
    this.#bytes -= sizeOf(record);
    this.position = offset + 1n;
    this.#options.onProgress();
    if (!wasHungry && this.hungry) this.#options.onHungry();
  }

  async #within(ms: number, work: Promise<void>): Promise<void> {
    const done = new AbortController();
    const timeout = this.#options.clock.sleep(ms, done.signal).catch(() => undefined);
    await Promise.race([work, timeout]);
    done.abort();
  }
}

/** Bytes in memory, nearly. */
function sizeOf({ key, value }: KafkaRecord): number {
  return 200 + (key?.length ?? 0) + (value?.length ?? 0);
}
