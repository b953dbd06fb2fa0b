import type { CallFacts } from "@weft/resilience";
import type { Random } from "../engine/random.ts";
import type { Timeline } from "../engine/timeline.ts";
import type { Client } from "./client.ts";
import type { CallRecord } from "./record.ts";

/**
 * Who calls. `open`: calls come as they come, by a Poisson process, however slow the answers are: a public edge.
 * `closed`: so many callers, each of whom waits for its answer and thinks before the next: a load generator, or workers.
 */
export type LoadOptions =
  | { readonly kind: "open"; readonly ratePerS: number }
  | { readonly kind: "closed"; readonly callers: number; readonly thinkMs: number };

/** Keys of calls; a few are asked for far more often than the others, by Zipf's law. */
export interface KeyOptions {
  readonly count: number;
  /** Exponent: 0 is even, 1 is what caches see. */
  readonly skew: number;
}

/** A header that a share of the calls has. */
export interface HeaderOptions {
  readonly name: string;
  readonly value: string;
  readonly share: number;
}

/** What a call says of itself. */
export type CallMarks = Pick<CallFacts, "key" | "header">;

/** All callers of all client processes. */
export class Load {
  /** A fault sets this: so many times the rate, or callers in a hurry. */
  factor = 1;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #record: CallRecord;
  readonly #clients: readonly Client[];
  readonly #nextKey: () => string | undefined;
  readonly #header: HeaderOptions | undefined;
  #isOver = false;

  constructor(
    clients: readonly Client[],
    options: {
      timeline: Timeline;
      random: Random;
      record: CallRecord;
      keys?: KeyOptions | undefined;
      header?: HeaderOptions | undefined;
    },
  ) {
    this.#clients = clients;
    this.#timeline = options.timeline;
    this.#random = options.random;
    this.#record = options.record;
    this.#header = options.header;
    this.#nextKey = options.keys === undefined ? () => undefined : zipf(options.keys, options.random);
  }

  start(load: LoadOptions): void {
    if (load.kind === "open") return this.#arrive(1_000 / load.ratePerS);
    for (let caller = 0; caller < load.callers; caller += 1) {
      const client = this.#clients[caller % this.#clients.length];
      const think = (): void =>
        this.#timeline.after(this.#random.exponential(load.thinkMs / this.factor), () => this.#call(client, think));
      think();
    }
  }

  /** No call begins any more. */
  stop(): void {
    this.#isOver = true;
  }

  #arrive(everyMs: number): void {
    this.#timeline.after(this.#random.exponential(everyMs / this.factor), () => {
      this.#call(this.#clients[this.#random.below(this.#clients.length)]);
      if (!this.#isOver) this.#arrive(everyMs);
    });
  }

  #call(client: Client | undefined, then?: () => void): void {
    if (this.#isOver || client === undefined) return;
    const ended = this.#record.begin(this.#timeline.nowMs);
    client.call({ key: this.#nextKey(), ...this.#nextHeader() }, (end) => {
      ended(end, this.#timeline.nowMs);
      then?.();
    });
  }

  #nextHeader(): Pick<CallMarks, "header"> {
    const header = this.#header;
    if (header === undefined || !this.#random.chance(header.share)) return {};
    return { header: (name) => (name === header.name ? header.value : undefined) };
  }
}

function zipf({ count, skew }: KeyOptions, random: Random): () => string {
  const upTo = new Float64Array(count);
  let sum = 0;
  for (let rank = 0; rank < count; rank += 1) upTo[rank] = sum += 1 / (rank + 1) ** skew;
  return () => {
    const at = random.next() * sum;
    let [low, high] = [0, count - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((upTo[middle] ?? 0) <= at) low = middle + 1;
      else high = middle;
    }
    return `key-${low}`;
  };
}
