import { type Clock, isWeftError, type Log } from "@weft/kit";
import { type DeadLetter, type DeadLetterFilter, deadLetterOf, type Failed, redriven } from "@weft/pubsub";
import type { Cluster } from "kafkajs";
import { afterAll } from "./fetcher.ts";
import type { Names } from "./names.ts";
import { readDead, retryRecord } from "./parking.ts";
import type { FetchAnswer, KafkaRecord } from "./protocol.ts";
import type { Publisher } from "./publisher.ts";
import { type Desk, type DeskOptions, maxFailedBytes, type Topics } from "./topics.ts";

/** What one fetch brings at most: more than the largest batch, or one that stands behind emptied ones would not come. */
const pageBytes = 2 * maxFailedBytes;
/** Dead letters that are put back at once. */
const redriveBatch = { letters: 200, bytes: 1_000_000 };
const maxListedBytes = 32_000_000;

export interface DeadLettersOptions extends DeskOptions {
  readonly names: Names;
  readonly topics: Topics;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * The dead letters as their topic has them: one partition, in which each stands under a key of its own until a record
 * without value follows under the same key. Reading goes through the whole topic; only keys and offsets are kept on the
 * way, and then the letters that were asked for.
 */
export class DeadLetters {
  readonly #options: DeadLettersOptions;

  constructor(options: DeadLettersOptions) {
    this.#options = options;
  }

  /** Newest first. */
  async list(filter: DeadLetterFilter, limit: number): Promise<readonly DeadLetter[]> {
    const name = this.#options.names.dead(filter.topic, filter.group);
    if (!(await this.#options.topics.exists(name))) return [];
    return this.#use("listing dead letters", async (cluster) => {
      const all = [...(await living(cluster, name)).values()];
      const isFiltered = filter.key !== undefined || filter.reason !== undefined;
      const wanted = new Set(isFiltered ? all : all.slice(-limit));
      const found: { readonly failed: Failed; readonly bytes: number }[] = [];
      let bytes = 0;
      await scan(cluster, name, least(wanted), (record) => {
        const failed = wanted.has(BigInt(record.offset)) ? this.#read(record) : undefined;
        if (failed === undefined || !matches(failed, filter)) return;
        found.push({ failed, bytes: record.value?.length ?? 0 });
        bytes += record.value?.length ?? 0;
        while (found.length > limit || (found.length > 1 && bytes > maxListedBytes)) bytes -= found.shift()?.bytes ?? 0;
      });
      return found.reverse().map(({ failed }) => deadLetterOf(failed, filter.group));
    });
  }

  async count(topic: string, group: string): Promise<number> {
    const name = this.#options.names.dead(topic, group);
    if (!(await this.#options.topics.exists(name))) return 0;
    return this.#use("counting dead letters", async (cluster) => (await living(cluster, name)).size);
  }

  /** Puts them into the retry topic, due now; then takes them out. A crash in between leaves them in both. */
  async redrive(filter: DeadLetterFilter & { readonly eventId?: string }): Promise<number> {
    const { names, topics } = this.#options;
    const name = names.dead(filter.topic, filter.group);
    if (!(await topics.exists(name))) return 0;
    await topics.ensure([{ name: names.retry(filter.topic, filter.group), kind: "retry" }]);
    let count = 0;
    await this.#use("redriving dead letters", async (cluster) => {
      const wanted = new Set((await living(cluster, name)).values());
      let batch: { key: Buffer | null; failed: Failed }[] = [];
      let bytes = 0;
      await scan(cluster, name, least(wanted), async ({ key, ...record }) => {
        const failed = wanted.has(BigInt(record.offset)) ? this.#read({ key, ...record }) : undefined;
        if (failed === undefined || !matches(failed, filter)) return;
        batch.push({ key, failed });
        bytes += record.value?.length ?? 0;
        if (batch.length < redriveBatch.letters && bytes < redriveBatch.bytes) return;
        await this.#putBack(filter, batch);
        count += batch.length;
        batch = [];
        bytes = 0;
      });
      await this.#putBack(filter, batch);
      count += batch.length;
    });
    return count;
  }

  async #putBack(
    { topic, group }: DeadLetterFilter,
    batch: readonly { key: Buffer | null; failed: Failed }[],
  ): Promise<void> {
    if (batch.length === 0) return;
    const { names, publisher, clock } = this.#options;
    const now = clock.now();
    await publisher.publish(
      names.retry(topic, group),
      batch.map(({ failed }) => retryRecord(redriven(failed, now))),
    );
    await publisher.publish(
      names.dead(topic, group),
      batch.map(({ key }) => ({ key, value: null })),
    );
  }

  #read(record: KafkaRecord): Failed | undefined {
    try {
      return readDead(record);
    } catch (error) {
      if (!isWeftError(error, "DATA_LOSS")) throw error;
      this.#options.log.error({ err: error, offset: record.offset }, "a dead letter can't be read");
      return undefined;
    }
  }

  #use<R>(what: string, work: (cluster: Desk["cluster"]) => Promise<R>): Promise<R> {
    const { desk, deadlineMs } = this.#options;
    return desk.use(what, deadlineMs, ({ cluster }) => work(cluster));
  }
}

function matches({ delivery, reason }: Failed, filter: DeadLetterFilter & { readonly eventId?: string }): boolean {
  return (
    delivery.key === (filter.key ?? delivery.key) &&
    reason === (filter.reason ?? reason) &&
    delivery.event.id === (filter.eventId ?? delivery.event.id)
  );
}

/** Offsets of the letters that were not taken out, by key, oldest first. */
async function living(cluster: Cluster, name: string): Promise<ReadonlyMap<string, bigint>> {
  const alive = new Map<string, bigint>();
  await scan(cluster, name, undefined, ({ key, value, offset }) => {
    const id = key?.toString("latin1") ?? "";
    alive.delete(id);
    if (value !== null) alive.set(id, BigInt(offset));
  });
  return alive;
}

/** Goes through the one partition of a topic, from an offset or its beginning up to what is its end now. */
async function scan(
  cluster: Cluster,
  topic: string,
  from: bigint | undefined,
  visit: (record: KafkaRecord) => void | Promise<void>,
): Promise<void> {
  await cluster.addMultipleTargetTopics([topic]);
  const [first, end] = await Promise.all([edge(cluster, topic, true), edge(cluster, topic, false)]);
  const nodeId = Object.keys(cluster.findLeaderForPartitions(topic, [0]))[0] ?? "";
  const broker = await cluster.findBroker({ nodeId });
  let position = from === undefined || from < first ? first : from;
  while (position < end) {
    const answer: FetchAnswer = await broker.fetch({
      maxWaitTime: 250,
      minBytes: 1,
      maxBytes: pageBytes,
      topics: [{ topic, partitions: [{ partition: 0, fetchOffset: String(position), maxBytes: pageBytes }] }],
    });
    const { messages = [], highWatermark = "-1" } = answer.responses[0]?.partitions[0] ?? {};
    for (const record of messages) {
      if (BigInt(record.offset) >= position && record.isControlRecord !== true) await visit(record);
    }
    if (messages.length > 0) position = afterAll(messages);
    // A page without records holds batches that compaction emptied, and they are small: it reaches the end. Unless the
    // broker holds its answers back, or leads since a moment ago and has yet to catch up.
    else if (BigInt(highWatermark) >= end) position = end;
  }
}

async function edge(cluster: Cluster, topic: string, fromBeginning: boolean): Promise<bigint> {
  const [offsets] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition: 0 }], fromBeginning }]);
  return BigInt(offsets?.partitions[0]?.offset ?? 0);
}

function least(offsets: ReadonlySet<bigint>): bigint | undefined {
  let least: bigint | undefined;
  for (const offset of offsets) if (least === undefined || offset < least) least = offset;
  return least;
}
