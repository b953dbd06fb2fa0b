import { type Clock, WeftError } from "@weft/kit";
import type { Broker, Cluster } from "kafkajs";
import { answered } from "./client.ts";
import { protocolType } from "./errors.ts";
import type { Lane } from "./lane.ts";
import { isMoving } from "./membership.ts";
import type { FetchAnswer, KafkaRecord } from "./protocol.ts";

/** How long a broker may wait for something to come, in milliseconds. A rebalance may wait as long for the answer. */
const maxWaitMs = 250;
/**
 * Rest before a fetch that leaves out who has enough, in milliseconds: they may be hungry at once, and would have to wait
 * for its answer. Twice as long each time that it brought nothing, up to {@link maxWaitMs}.
 */
const minRestMs = 5;
const maxBytes = 8 * 1024 * 1024;
const maxBytesPerPartition = 512 * 1024;
/** Rest after an answer that brought nothing and came sooner than it had to, in milliseconds. */
const idleMs = 20;

export interface FetcherOptions {
  readonly cluster: Pick<Cluster, "findLeaderForPartitions" | "refreshMetadata"> & {
    findBroker(options: { nodeId: string }): Promise<Pick<Broker, "fetch">>;
  };
  readonly lanes: readonly Lane[];
  readonly clock: Clock;
  /** Ends the fetching. */
  readonly signal: AbortSignal;
  /** Called for a partition of which what comes next was deleted; gives where to go on. */
  readonly onGap: (lane: Lane) => Promise<bigint>;
}

/** Fills lanes, from each broker by itself. A lane that has enough is left out: back-pressure. */
export class Fetcher {
  readonly #options: FetcherOptions;
  #wake = Promise.withResolvers<void>();

  constructor(options: FetcherOptions) {
    this.#options = options;
    options.signal.addEventListener("abort", () => this.wake(), { once: true });
  }

  /** Some lane is hungry again. */
  wake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  /** Resolves when the signal aborts; rejects when a broker fails. */
  async run(): Promise<void> {
    const nodes = [...new Set(this.#options.lanes.map((lane) => this.#leader(lane)))];
    await Promise.all(nodes.map((node) => this.#follow(node, nodes)));
  }

  async #follow(node: string, nodes: readonly string[]): Promise<void> {
    const { cluster, lanes, clock, signal } = this.#options;
    const broker = await cluster.findBroker({ nodeId: node });
    let restMs = minRestMs;
    let hasRested = false;
    while (!signal.aborted) {
      const wake = this.#wake.promise;
      const mine = lanes.filter((lane) => this.#leader(lane) === node);
      const hungry = mine.filter((lane) => lane.hungry);
      if (hungry.length === 0) {
        await wake;
        continue;
      }
      const areAll = hungry.length === mine.length;
      if (!areAll && !hasRested) {
        await this.#rest(restMs, wake);
        hasRested = true;
        continue;
      }
      hasRested = false;
      const begin = clock.monotonic();
      const maxWaitTime = areAll ? maxWaitMs : 0;
      try {
        // Its types leave the answer open.
        const answer: FetchAnswer = await answered("a fetch", () =>
          broker.fetch({ maxWaitTime, minBytes: 1, maxBytes, topics: requestOf(hungry) }),
        );
        if (signal.aborted) return;
        const some = deliver(answer, hungry);
        restMs = some ? minRestMs : Math.min(maxWaitMs, 2 * restMs);
        const early = clock.monotonic() - begin < maxWaitTime / 2;
        if (!some && early) await clock.sleep(idleMs, signal).catch(() => undefined);
      } catch (error) {
        if (signal.aborted) return;
        await this.#recover(error, hungry, nodes);
      }
    }
  }

  /** Until `wake` resolves, which it does at the end too, or `ms` have passed. */
  async #rest(ms: number, wake: Promise<void>): Promise<void> {
    const woken = new AbortController();
    const asleep = this.#options.clock.sleep(ms, woken.signal).catch(() => undefined);
    await Promise.race([asleep, wake]);
    woken.abort();
  }

  async #recover(error: unknown, hungry: readonly Lane[], nodes: readonly string[]): Promise<void> {
    const { cluster, clock, signal, onGap } = this.#options;
    if (protocolType(error) === "OFFSET_OUT_OF_RANGE") {
      // kafkajs names the partition in the error, but only that of the first.
      for (const lane of hungry) {
        const from = lane.fetchPosition;
        const to = await onGap(lane);
        if (lane.fetchPosition === from && to !== from) lane.skipTo(to);
      }
      await clock.sleep(100, signal).catch(() => undefined);
      return;
    }
    if (!isMoving(error)) throw error;
    await clock.sleep(100, signal).catch(() => undefined);
    await answered("metadata", () => cluster.refreshMetadata());
    const strange = hungry.map((lane) => this.#leader(lane)).find((leader) => !nodes.includes(leader));
    // Partitions may have gone over to a broker from which nothing was wanted so far.
    this.wake();
    if (strange !== undefined) throw new WeftError("UNAVAILABLE", `kafka: partitions moved to broker ${strange}`);
  }

  #leader({ id }: Lane): string {
    const { cluster } = this.#options;
    const leader = Object.keys(cluster.findLeaderForPartitions(id.topic, [id.partition]))[0];
    if (leader === undefined) throw new WeftError("UNAVAILABLE", `kafka: ${id.topic}/${id.partition} has no leader`);
    return leader;
  }
}

function requestOf(
  lanes: readonly Lane[],
): { topic: string; partitions: { partition: number; fetchOffset: string; maxBytes: number }[] }[] {
  return [...Map.groupBy(lanes, ({ id }) => id.topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map(({ id, fetchPosition }) => ({
      partition: id.partition,
      fetchOffset: String(fetchPosition),
      maxBytes: maxBytesPerPartition,
    })),
  }));
}

/** Hands out what came. Whether anything did. */
function deliver(answer: FetchAnswer, lanes: readonly Lane[]): boolean {
  let some = false;
  for (const { topicName, partitions } of answer.responses) {
    for (const { partition, messages } of partitions) {
      const lane = lanes.find(({ id }) => id.topic === topicName && id.partition === partition);
      if (lane === undefined || messages.length === 0) continue;
      some = true;
      lane.offer(
        messages.filter((record) => record.isControlRecord !== true),
        afterAll(messages),
      );
    }
  }
  return some;
}

/** The offset after all that the records' batches held, whatever compaction took out of them. */
export function afterAll(messages: readonly KafkaRecord[]): bigint {
  const last = messages.at(-1);
  if (last === undefined) return 0n;
  const { batchContext: batch } = last;
  return batch === undefined
    ? BigInt(last.offset) + 1n
    : BigInt(batch.firstOffset) + BigInt(batch.lastOffsetDelta) + 1n;
}
