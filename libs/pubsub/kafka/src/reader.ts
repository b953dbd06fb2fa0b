import { backoffMs, type Clock, isWeftError, type Log, WeftError, withTimeout } from "@weft/kit";
import type { ReadOptions, StoredEvent } from "@weft/pubsub";
import type { Broker, Cluster } from "kafkajs";
import { type answered, requestTimeoutMs } from "./client.ts";
import { fromRecord } from "./codec.ts";
import { protocolType, toWeftError } from "./errors.ts";
import { afterAll } from "./fetcher.ts";
import type { FetchAnswer, KafkaRecord } from "./protocol.ts";

/** How long a broker may wait for something to come, in milliseconds. */
const maxWaitMs = 250;
/** What one answer of a broker holds at most, unless a single batch has more. */
const pageBytes = { all: 4 * 1024 * 1024, ofPartition: 512 * 1024 };

/** What it needs of kafkajs' view of the brokers. */
type Brokers = Pick<
  Cluster,
  "connect" | "addMultipleTargetTopics" | "findLeaderForPartitions" | "findTopicPartitionMetadata" | "fetchTopicsOffset"
> & { findBroker(node: { nodeId: string }): Promise<Pick<Broker, "fetch">> };

export interface ReaderOptions extends ReadOptions {
  /** Of the topic, on the broker. */
  readonly name: string;
  /** Where each partition ends, unless it is followed: before the first event published at or after that instant. */
  readonly to?: number;
  readonly newClient: () => { cluster(groupId: string): Brokers; destroy(): void };
  readonly clock: Clock;
  readonly log: Log;
  /** How long brokers may bring nothing before the reading fails, in milliseconds. One that follows and has begun waits for ever. */
  readonly deadlineMs: number;
}

/** A stretch of a partition that is still to be read. */
interface Stretch {
  readonly partition: number;
  position: bigint;
  /** Undefined when it is followed. */
  end: bigint | undefined;
}

/** A request, given up when the reading is. */
type Ask = typeof answered;

/**
 * Events of a topic, from all its brokers side by side, on connections of its own. Ends when the signal aborts. Gets
 * over what ends a connection: where it goes on stands in memory. `NOT_FOUND` for a topic that is not there.
 */
export async function* readEvents(options: ReaderOptions, signal: AbortSignal): AsyncGenerator<StoredEvent> {
  const { name, newClient, clock, deadlineMs, follow = false } = options;
  let stretches: Stretch[] | undefined;
  let failures = 0;
  let aliveAt = clock.monotonic();
  const leftMs = (): number =>
    follow && stretches !== undefined ? Number.POSITIVE_INFINITY : aliveAt + deadlineMs - clock.monotonic();
  const ask: Ask = (what, work) => {
    const timeoutMs = Math.max(1, Math.min(2 * requestTimeoutMs, leftMs()));
    return withTimeout(work, { timeoutMs, what: `kafka: ${what}` });
  };
  while (!signal.aborted) {
    const client = newClient();
    const destroy = (): void => client.destroy();
    signal.addEventListener("abort", destroy, { once: true });
    try {
      const cluster = client.cluster("weft");
      await ask("connecting", () => cluster.connect());
      await ask("metadata", () => cluster.addMultipleTargetTopics([name]));
      stretches ??= await ask("the ends of partitions", () => stretchesOf(cluster, options));
      for await (const page of pages(cluster, name, stretches, ask)) {
        failures = 0;
        aliveAt = clock.monotonic();
        for (const { record, stretch } of page) {
          const stored = storedEvent(record, stretch.partition, options);
          stretch.position = BigInt(record.offset) + 1n;
          if (stored !== undefined) yield stored;
          // The reader had its time, and it was not the brokers'.
          aliveAt = clock.monotonic();
          if (signal.aborted) return;
        }
      }
      return;
    } catch (cause) {
      if (signal.aborted) return;
      if (stretches === undefined && protocolType(cause) === "UNKNOWN_TOPIC_OR_PARTITION") {
        throw new WeftError("NOT_FOUND", `there is no topic ${options.topic}`, { cause });
      }
      const error = toWeftError(cause, `reading ${name}`);
      failures += 1;
      const waitMs = backoffMs(failures, { initialMs: 100, maxMs: 1000 });
      if (!error.retryable || leftMs() < waitMs) throw error;
      await clock.sleep(waitMs, signal).catch(() => undefined);
    } finally {
      signal.removeEventListener("abort", destroy);
      client.destroy();
    }
  }
}

interface Found {
  readonly record: KafkaRecord;
  readonly stretch: Stretch;
}

/** What brokers answer, until every stretch was read to its end. A position moves on with each record that was taken. */
async function* pages(cluster: Brokers, name: string, stretches: Stretch[], ask: Ask): AsyncGenerator<Iterable<Found>> {
  for (;;) {
    const open = stretches.filter(({ position, end }) => end === undefined || position < end);
    if (open.length === 0) return;
    const leaders = cluster.findLeaderForPartitions(
      name,
      open.map(({ partition }) => partition),
    );
    const answers = await Promise.all(
      Object.entries(leaders).map(async ([nodeId, partitions]) => {
        const ofNode = open.filter(({ partition }) => partitions.includes(partition));
        return ask("a fetch", () => fetchPage(cluster, nodeId, name, ofNode));
      }),
    ).catch(async (error: unknown) => {
      if (protocolType(error) !== "OFFSET_OUT_OF_RANGE") throw error;
      await ask("the ends of partitions", () => moveIntoLog(cluster, name, open));
      return [];
    });
    for (const answer of answers) {
      // An answer that brings nothing is no sign of life, or the reading could go on like that for ever.
      if (answer.next.size === 0) continue;
      yield answer.found;
      // What holds no records any more, or none that are ours.
      for (const [stretch, next] of answer.next) if (next > stretch.position) stretch.position = next;
    }
    // A broker fills its answer in the order of the request: each partition is first in its turn.
    const first = stretches.shift();
    if (first !== undefined) stretches.push(first);
  }
}

async function fetchPage(
  cluster: Brokers,
  nodeId: string,
  topic: string,
  stretches: readonly Stretch[],
): Promise<{ readonly found: readonly Found[]; readonly next: ReadonlyMap<Stretch, bigint> }> {
  const broker = await cluster.findBroker({ nodeId });
  const partitions = stretches.map(({ partition, position }) => ({
    partition,
    fetchOffset: String(position),
    maxBytes: pageBytes.ofPartition,
  }));
  const answer: FetchAnswer = await broker.fetch({
    maxWaitTime: maxWaitMs,
    minBytes: 1,
    maxBytes: pageBytes.all,
    topics: [{ topic, partitions }],
  });
  const found: Found[] = [];
  const next = new Map<Stretch, bigint>();
  for (const { partition, messages } of answer.responses[0]?.partitions ?? []) {
    const stretch = stretches.find((one) => one.partition === partition);
    if (stretch === undefined || messages.length === 0) continue;
    next.set(stretch, afterAll(messages));
    for (const record of messages) {
      const offset = BigInt(record.offset);
      // A batch comes whole, wherever in it the stretch begins or ends.
      const inside = offset >= stretch.position && (stretch.end === undefined || offset < stretch.end);
      if (inside && record.isControlRecord !== true) found.push({ record, stretch });
    }
  }
  if (next.size > 0) return { found, next };
  // Nothing at all, though the broker has all that comes before the end: batches that compaction emptied. One that holds
  // its answers back, or that leads since a moment ago and has yet to catch up, says nothing of the kind.
  for (const { partition, highWatermark } of answer.responses[0]?.partitions ?? []) {
    const stretch = stretches.find((one) => one.partition === partition);
    if (stretch?.end !== undefined && BigInt(highWatermark) >= stretch.end) next.set(stretch, stretch.end);
  }
  return { found, next };
}

/** Where the stretches begin and end, as of now. */
async function stretchesOf(cluster: Brokers, options: ReaderOptions): Promise<Stretch[]> {
  const { name, from = "earliest", to, follow = false } = options;
  const [first, last] = await Promise.all([edges(cluster, name, true), edges(cluster, name, false)]);
  const at = async (time: number | "earliest" | "latest"): Promise<ReadonlyMap<number, bigint>> => {
    if (time === "latest") return last;
    // Kafka has a meaning of its own for times before the epoch.
    return time === "earliest" || time < 0 ? first : offsetsAt(cluster, name, time, last);
  };
  const [begin, end] = [await at(from), to === undefined ? last : await at(to)];
  return [...last.keys()].map((partition) => ({
    partition,
    position: begin.get(partition) ?? 0n,
    end: follow ? undefined : (end.get(partition) ?? 0n),
  }));
}

/** The log has lost its beginning, or its end, since the stretches were laid out. */
async function moveIntoLog(cluster: Brokers, name: string, stretches: readonly Stretch[]): Promise<void> {
  const [first, last] = await Promise.all([edges(cluster, name, true), edges(cluster, name, false)]);
  for (const stretch of stretches) {
    const [low, high] = [first.get(stretch.partition) ?? 0n, last.get(stretch.partition) ?? 0n];
    if (stretch.position < low) stretch.position = low;
    if (stretch.position > high) stretch.position = high;
    if (stretch.end !== undefined && stretch.end > high) stretch.end = high;
  }
}

/** Where each partition begins or ends. */
export async function edges(
  cluster: Brokers,
  topic: string,
  fromBeginning: boolean,
): Promise<ReadonlyMap<number, bigint>> {
  const partitions = partitionsOf(cluster, topic);
  const found = await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]);
  return new Map(found[0]?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]));
}

/** Of each partition, the first offset published at or after a time; its end where there is none. */
async function offsetsAt(
  cluster: Brokers,
  topic: string,
  time: number,
  ends: ReadonlyMap<number, bigint>,
): Promise<ReadonlyMap<number, bigint>> {
  const partitions = partitionsOf(cluster, topic);
  const found = await cluster.fetchTopicsOffset([{ topic, partitions, fromTimestamp: time }]);
  return new Map(
    found[0]?.partitions.map(({ partition, offset }) => [
      partition,
      BigInt(offset) < 0n ? (ends.get(partition) ?? 0n) : BigInt(offset),
    ]),
  );
}

function partitionsOf(cluster: Brokers, topic: string): { partition: number }[] {
  return cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId }));
}

/** Undefined for one that the reader did not ask for, and for a record that is no event. */
function storedEvent(record: KafkaRecord, partition: number, options: ReaderOptions): StoredEvent | undefined {
  const { topic, key, log } = options;
  const [offset, publishTime] = [BigInt(record.offset), Number(record.timestamp)];
  if (key !== undefined && (record.key?.toString() ?? "") !== key) return undefined;
  try {
    return { ...fromRecord(record), topic, partition, offset, publishTime };
  } catch (error) {
    if (!isWeftError(error, "DATA_LOSS")) throw error;
    log.debug({ err: error, topic, partition, offset: record.offset }, "a record is no event, and is passed over");
    return undefined;
  }
}
