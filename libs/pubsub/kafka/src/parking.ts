import { type Clock, type Log, type NewId, WeftError } from "@weft/kit";
import {
  deadLetterFields,
  decodeFailed,
  encodeFailed,
  type Failed,
  type KeyedEvent,
  type SubscribeOptions,
} from "@weft/pubsub";
import { foreignEvent, fromRecord, toRecord } from "./codec.ts";
import type { Item, Parked } from "./lane.ts";
import type { Names } from "./names.ts";
import type { KafkaRecord, OutgoingRecord } from "./protocol.ts";
import type { Publisher } from "./publisher.ts";
import { retryPartition, type TopicNeed, type Topics } from "./topics.ts";

/** Of a dead letter: the attribute with the event's key. */
const keyName = "weftoriginkey";

/** What a topic on the broker holds. */
export interface SourceOf {
  readonly start: "earliest" | "latest";
  read(record: KafkaRecord, partition: number): Item;
}

export interface ParkingOptions {
  readonly names: Names;
  readonly topics: Topics;
  readonly publisher: Publisher;
  readonly newId: NewId;
  readonly clock: Clock;
  readonly log: Log;
}

/** Deliveries beside their partitions: how they come to the retry topics and the dead letters, and back. */
export class Parking {
  readonly #options: ParkingOptions;

  constructor(options: ParkingOptions) {
    this.#options = options;
  }

  /** What a subscription reads, by name on the broker: its topics, and their retry topics. */
  sources({ topics, group, start = "earliest" }: SubscribeOptions): ReadonlyMap<string, SourceOf> {
    const { names } = this.#options;
    const sources = new Map<string, SourceOf>();
    for (const topic of topics) {
      sources.set(names.of(topic), { start, read: (record, partition) => this.#event(record, topic, partition) });
      const read = (record: KafkaRecord, partition: number): Item => this.#retry(record, topic, partition);
      sources.set(names.retry(topic, group), { start: "earliest", read });
    }
    return sources;
  }

  /** Resolves when the failed delivery is durable in the group's retry topic or among its dead letters. */
  async park({ kind, failed }: Parked, group: string): Promise<void> {
    const { names, topics, publisher, log } = this.#options;
    const { topic } = failed.delivery;
    const name = names[kind](topic, group);
    const need: TopicNeed = { name, kind };
    await topics.ensure([need]);
    await publisher.publish(name, [kind === "retry" ? retryRecord(failed) : this.#deadRecord(failed)]);
    if (kind === "dead")
      log.warn(deadLetterFields(failed, group), "an event was given up, and is among the dead letters");
  }

  #event(record: KafkaRecord, topic: string, partition: number): Item {
    const offset = BigInt(record.offset);
    try {
      const { key, event } = fromRecord(record);
      return { kind: "delivery", delivery: { key, event, topic, partition, offset, attempt: 1 } };
    } catch (cause) {
      return this.#unreadable(record, { topic, partition, offset }, cause);
    }
  }

  #retry(record: KafkaRecord, topic: string, partition: number): Item {
    try {
      const earlier = decodeFailed(fromRecord(record));
      return { kind: "delivery", delivery: earlier.delivery, earlier };
    } catch (cause) {
      return this.#unreadable(record, { topic, partition, offset: BigInt(record.offset) }, cause);
    }
  }

  #unreadable(record: KafkaRecord, place: { topic: string; partition: number; offset: bigint }, cause: unknown): Item {
    const { reason, message: detail } = WeftError.from(cause);
    const delivery = { ...foreignEvent(record, place.topic, place.partition), ...place, attempt: 1 };
    const time = this.#options.clock.now();
    return { kind: "dead", failed: { delivery, attempts: 0, round: 0, reason, detail, time, due: time } };
  }

  /** Under a key of its own, by which it can be taken out again; the event's key goes along as an attribute. */
  #deadRecord(failed: Failed): OutgoingRecord {
    const { key, event } = encodeFailed(failed);
    const record = toRecord({ key, event });
    return { ...record, key: this.#options.newId(), headers: { ...record.headers, [`ce_${keyName}`]: key } };
  }
}

/** Into the partition of those that wait as long. */
export function retryRecord(failed: Failed): OutgoingRecord {
  return { ...toRecord(encodeFailed(failed)), partition: retryPartition(failed.round) };
}

/** What a record of a dead-letter topic says. `DATA_LOSS` when nothing of ours. */
export function readDead(record: KafkaRecord): Failed {
  const { event } = fromRecord(record);
  const { [keyName]: key = "", ...extensions } = event.extensions;
  const keyed: KeyedEvent = { key, event: { ...event, extensions } };
  return decodeFailed(keyed);
}
