import { join } from "node:path";
import { type Clock, type Log, silentLog, systemClock, WeftError } from "@weft/kit";
import {
  checkDeadLetterFilter,
  checkEvent,
  checkName,
  checkRead,
  checkReplay,
  checkSubscribe,
  type DeadLetter,
  type DeadLetterFilter,
  deadLetterOf,
  type GroupLag,
  type GroupParked,
  type KeyedEvent,
  type PubSub,
  type ReadOptions,
  type ReplayOptions,
  replayBatches,
  replayed,
  type StoredEvent,
  type SubscribeOptions,
  type Subscription,
  type TopicInfo,
} from "@weft/pubsub";
import { SqliteFile } from "@weft/sqlite";
import { EventLog } from "./event-log.ts";
import { Group } from "./group.ts";
import { Member } from "./member.ts";
import { Parked } from "./parked.ts";
import { Publisher } from "./publisher.ts";
import { readEvents } from "./reader.ts";
import { schema } from "./schema.ts";

export interface OpenEmbeddedPubSubOptions {
  /** The data folder; the log is in its file `pubsub.db`. */
  readonly dataDir: string;
  /** Default: the machine's. All processes of a data folder must agree on the time. */
  readonly clock?: Clock;
  /** Default: silent. */
  readonly log?: Log;
  /** How long events are kept at least, in milliseconds; longer while a group has not passed them. Default 7 days. */
  readonly retentionMs?: number;
}

/** Publish/subscribe among the processes that share a data folder. `UNAVAILABLE` when the folder can't be used. */
export async function openEmbeddedPubSub(options: OpenEmbeddedPubSubOptions): Promise<PubSub> {
  return new EmbeddedPubSub(options);
}

const maxPartitions = 1000;
const dayMs = 24 * 60 * 60 * 1000;
const trimIntervalMs = 60_000;
/** Events of a partition that one pass drops: it must not hold up those who write. */
const trimLimit = 1000;

/** {@link openEmbeddedPubSub} */
export class EmbeddedPubSub implements PubSub {
  readonly #file: SqliteFile;
  readonly #clock: Clock;
  readonly #logger: Log;
  readonly #log: EventLog;
  readonly #parked: Parked;
  readonly #publisher: Publisher;
  readonly #members = new Set<Member>();
  readonly #closed = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor(options: OpenEmbeddedPubSubOptions) {
    const { dataDir, clock = systemClock, log = silentLog, retentionMs = 7 * dayMs } = options;
    this.#file = new SqliteFile({ path: join(dataDir, "pubsub.db"), schema });
    this.#clock = clock;
    this.#logger = log;
    this.#log = new EventLog(this.#file);
    this.#parked = new Parked(this.#file);
    this.#publisher = new Publisher(this.#file, this.#log, clock);
    void this.#keepTrimming(retentionMs);
  }

  async ensureTopic(topic: string, options: { readonly partitions?: number } = {}): Promise<void> {
    this.#checkOpen();
    checkName("topic", topic);
    const { partitions } = options;
    if (partitions !== undefined && !(Number.isInteger(partitions) && partitions >= 1 && partitions <= maxPartitions)) {
      throw new WeftError("INVALID_ARGUMENT", `a topic has 1 to ${maxPartitions} partitions`);
    }
    this.#log.ensureTopic(topic, partitions);
  }

  async publish(topic: string, events: readonly KeyedEvent[]): Promise<void> {
    this.#checkOpen();
    checkName("topic", topic);
    for (const event of events) checkEvent(event);
    if (events.length > 0) await this.#publisher.publish(topic, events);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#checkOpen();
    checkSubscribe(options);
    const member = new Member({
      file: this.#file,
      log: this.#log,
      parked: this.#parked,
      clock: this.#clock,
      logger: this.#logger,
      subscribe: options,
    });
    member.start();
    this.#members.add(member);
    const forget = (): void => void this.#members.delete(member);
    member.ended.then(forget, forget);
    return member;
  }

  async deadLetters(filter: DeadLetterFilter & { limit?: number }): Promise<readonly DeadLetter[]> {
    this.#checkOpen();
    checkDeadLetterFilter(filter);
    return this.#parked.dead(filter, filter.limit ?? 100).map((failed) => deadLetterOf(failed, filter.group));
  }

  async redrive(filter: DeadLetterFilter & { eventId?: string }): Promise<number> {
    this.#checkOpen();
    checkDeadLetterFilter(filter);
    // Those that are given up meanwhile are for the next time: this one ends.
    const last = this.#parked.lastId();
    let total = 0;
    for (let after = 0; after < last;) {
      const done = this.#parked.redrive(filter, { after, last, now: this.#clock.now() });
      after = done.after;
      total += done.count;
      // Others get at the thread and the file in between.
      await new Promise((resolve) => setImmediate(resolve));
      this.#checkOpen();
    }
    return total;
  }

  async lag(group: string): Promise<readonly GroupLag[]> {
    this.#checkOpen();
    const rows = this.#file.all<{ topic: string; partition: number; committed: number; end: number }>(
      `SELECT c.topic, c.number AS partition, c.committed, p.next AS end
       FROM cursor c JOIN partition p ON p.topic = c.topic AND p.number = c.number
       WHERE c.consumer_group = ? ORDER BY c.topic, c.number`,
      group,
    );
    return rows.map((row) => ({ ...row, committed: BigInt(row.committed), end: BigInt(row.end) }));
  }

  async parked(group: string): Promise<readonly GroupParked[]> {
    this.#checkOpen();
    checkName("group", group);
    const topics = new Group(this.#file, group).topics();
    return topics.map((topic) => ({ topic, ...this.#parked.count(topic, group) }));
  }

  async topics(): Promise<readonly TopicInfo[]> {
    this.#checkOpen();
    return this.#log.topics();
  }

  async *read(options: ReadOptions, signal?: AbortSignal): AsyncGenerator<StoredEvent> {
    this.#checkOpen();
    checkRead(options);
    yield* this.#events(options, signal);
    if (signal?.aborted !== true) this.#checkOpen();
  }

  async replay(options: ReplayOptions, signal?: AbortSignal): Promise<number> {
    this.#checkOpen();
    checkReplay(options);
    const { topic, group, eventId } = options;
    if (!new Group(this.#file, group).topics().includes(topic)) {
      throw new WeftError("NOT_FOUND", `no group ${group} has read the topic ${topic}`);
    }
    let total = 0;
    for await (const batch of replayBatches(this.#events(options, signal), eventId)) {
      this.#checkOpen();
      const now = this.#clock.now();
      this.#file.transaction(() => {
        for (const event of batch) this.#parked.put("replay", group, replayed(event, now));
      });
      total += batch.length;
    }
    this.#checkOpen();
    if (signal?.aborted === true) throw new WeftError("CANCELLED", `the replay was ended after ${total} events`);
    return total;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  /** Lets go of everything at once, as if the process were killed. For tests. */
  abandon(): void {
    this.#closed.abort();
    for (const member of this.#members) member.abandon();
    this.#file[Symbol.dispose]();
    this.#disposed ??= Promise.resolve();
  }

  async #dispose(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#members].map((member) => member[Symbol.asyncDispose]()));
    this.#publisher.flush();
    this.#file[Symbol.dispose]();
  }

  /** Ends with the signal, and when this is closed. */
  #events(options: ReadOptions | ReplayOptions, signal: AbortSignal | undefined): AsyncIterable<StoredEvent> {
    const ending = AbortSignal.any([this.#closed.signal, ...(signal === undefined ? [] : [signal])]);
    return readEvents({ ...options, file: this.#file, log: this.#log }, ending);
  }

  #checkOpen(): void {
    if (this.#closed.signal.aborted) throw new WeftError("UNAVAILABLE", "publish/subscribe is closed");
  }

  async #keepTrimming(retentionMs: number): Promise<void> {
    let dropped = 0;
    for (;;) {
      try {
        // After a full pass there is more to drop; in between, others get at the file.
        const waitMs = dropped < trimLimit ? trimIntervalMs * (0.75 + Math.random() / 2) : 200;
        await this.#clock.sleep(waitMs, this.#closed.signal);
      } catch {
        return;
      }
      dropped = 0;
      try {
        dropped = this.#file.transaction(() => this.#log.trim(this.#clock.now() - retentionMs, trimLimit));
      } catch (error) {
        this.#logger.warn({ err: error }, "old events could not be dropped");
      }
    }
  }
}
