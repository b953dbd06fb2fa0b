import { setTimeout as sleep } from "node:timers/promises";
import { WeftError } from "@weft/kit";
import { within } from "@weft/kit/testing";
import type { Delivery, FailurePolicy, KeyedEvent, PubSub, Subscription } from "@weft/pubsub";

export interface StreamOptions {
  readonly pubsub: PubSub;
  /** Of the topic, and of its group. */
  readonly name: string;
  /** Which of its events the handler refuses, by their numbers, until `mend`. Default: none. */
  readonly isPoison?: (number: number) => boolean;
  readonly failure?: FailurePolicy;
}

/** How often each event was handled, over all. */
export interface Counts {
  readonly missing: number;
  readonly repeated: number;
}

const batchSize = 100;
/** Batches that are on their way into the log at the same time. */
const publishers = 4;
const partitions = 8;
/** No whole part or multiple of the distance between two poisons, so that they come under all keys. */
const keys = 997;
/** Events that are published and not handled; then publishers wait. */
const mostWaiting = 4000;
const subscribeTries = 3;
const drainTimeoutMs = 120_000;
const waitMs = 2;
/** As many dead letters as the log tells in one answer. */
const mostListed = 10_000;
const dataBytes = 256;

/** Numbered events of one topic, and the handler that counts them. Disposing ends its subscription. */
export class Stream implements AsyncDisposable {
  readonly name: string;
  readonly #options: StreamOptions;
  readonly #data = new Uint8Array(dataBytes);
  #subscription: Subscription | undefined;
  /** By number: how often it was handled. */
  #handled = new Uint8Array(1 << 16);
  #published = 0;
  #poison = 0;
  /** Events that the handler was given at least once. */
  #met = 0;
  #activeMs = 0;
  #isMended = false;

  private constructor(options: StreamOptions) {
    this.#options = options;
    this.name = options.name;
  }

  static async open(options: StreamOptions): Promise<Stream> {
    const { pubsub, name, failure } = options;
    const stream = new Stream(options);
    const handle = (delivery: Delivery): Promise<void> => stream.#handle(delivery);
    const subscribe = { group: name, topics: [name], handle, ...(failure === undefined ? {} : { failure }) };
    await pubsub.ensureTopic(name, { partitions });
    for (let tries = 1; ; tries += 1) {
      try {
        stream.#subscription = await pubsub.subscribe(subscribe);
        return stream;
      } catch (error) {
        // A broker that is new makes what it needs for groups with the first of them.
        if (tries === subscribeTries) throw error;
      }
    }
  }

  /** How many of the events that it published are poison. */
  get poison(): number {
    return this.#poison;
  }

  /** Events a second, poison left out, over all the time in which it published. */
  get perSecond(): number {
    return this.#rest / (this.#activeMs / 1000);
  }

  /**
   * Publishes for so long, as fast as the handler follows, and waits until it has met everything. Answers how many
   * events a second that were, poison left out.
   */
  async publishFor(ms: number, signal: AbortSignal): Promise<number> {
    const startedAt = performance.now();
    const before = this.#rest;
    const publish = async (): Promise<void> => {
      while (performance.now() - startedAt < ms) {
        signal.throwIfAborted();
        if (this.#published - this.#met >= mostWaiting) await sleep(waitMs);
        else await this.#publishBatch();
      }
    };
    await Promise.all(Array.from({ length: publishers }, publish));
    await within(drainTimeoutMs, `${this.name} is handled`, () => {
      signal.throwIfAborted();
      return this.#met === this.#published;
    });
    const tookMs = performance.now() - startedAt;
    this.#activeMs += tookMs;
    return (this.#rest - before) / (tookMs / 1000);
  }

  /** How many dead letters there are. */
  async givenUp(): Promise<number> {
    const { pubsub, name } = this.#options;
    const parked = await pubsub.parked(name);
    return parked.find(({ topic }) => topic === name)?.dead ?? 0;
  }

  /** The numbers of the dead letters; one that is there twice is listed twice. */
  async deadLetters(): Promise<readonly number[]> {
    const numbers = await this.#deadLetters();
    if (numbers.length < mostListed) return numbers;
    const ofKeys: number[] = [];
    for (let key = 0; key < keys; key += 1) ofKeys.push(...(await this.#deadLetters(`key-${key}`)));
    return ofKeys;
  }

  /** From now on the handler refuses nothing; puts the dead letters before it again. */
  async mend(): Promise<number> {
    const { pubsub, name } = this.#options;
    this.#isMended = true;
    return pubsub.redrive({ topic: name, group: name });
  }

  /** Of the events that were published, those of a kind. */
  count(of: (number: number) => boolean = () => true): Counts {
    let [missing, repeated] = [0, 0];
    for (let number = 0; number < this.#published; number += 1) {
      if (!of(number)) continue;
      const times = this.#handled[number] ?? 0;
      if (times === 0) missing += 1;
      if (times > 1) repeated += 1;
    }
    return { missing, repeated };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#subscription?.[Symbol.asyncDispose]();
  }

  async #deadLetters(key?: string): Promise<readonly number[]> {
    const { pubsub, name } = this.#options;
    const filter = { topic: name, group: name, limit: mostListed, ...(key === undefined ? {} : { key }) };
    return (await pubsub.deadLetters(filter)).map(({ delivery }) => numberOf(delivery));
  }

  get #rest(): number {
    return this.#published - this.#poison;
  }

  async #publishBatch(): Promise<void> {
    const { pubsub, name } = this.#options;
    const first = this.#published;
    const numbers = Array.from({ length: batchSize }, (_, index) => first + index);
    this.#published += batchSize;
    this.#poison += numbers.filter((number) => this.#options.isPoison?.(number) === true).length;
    if (this.#published > this.#handled.length) {
      const grown = new Uint8Array(this.#handled.length * 2);
      grown.set(this.#handled);
      this.#handled = grown;
    }
    await pubsub.publish(
      name,
      numbers.map((number) => this.#event(number)),
    );
  }

  #event(number: number): KeyedEvent {
    const { name } = this;
    const time = Date.now();
    const constant = { source: `/chaos/${name}`, type: "chaos.Numbered", dataContentType: "application/octet-stream" };
    const event = { ...constant, id: `${name}-${number}`, time, data: this.#data, extensions: {} };
    return { key: `key-${number % keys}`, event };
  }

  async #handle(delivery: Delivery): Promise<void> {
    if (delivery.attempt === 1 && !this.#isMended) this.#met += 1;
    const number = numberOf(delivery);
    if (!this.#isMended && this.#options.isPoison?.(number) === true) {
      throw new WeftError("INVALID_ARGUMENT", "this handler refuses it for good");
    }
    this.#handled[number] = Math.min(255, (this.#handled[number] ?? 0) + 1);
  }
}

function numberOf({ event }: Delivery): number {
  return Number(event.id.slice(event.id.lastIndexOf("-") + 1));
}
