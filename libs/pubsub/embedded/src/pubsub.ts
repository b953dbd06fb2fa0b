import { join } from "node:path";
import { type Clock, type Log, silentLog, systemClock, WeftError } from "@weft/kit";
import {
  checkEvent,
  checkName,
  checkSubscribe,
  type DeadLetter,
  deadLetterOf,
  type GroupLag,
  type KeyedEvent,
  type PubSub,
  type SubscribeOptions,
  type Subscription,
} from "@weft/pubsub";
import { SqliteFile } from "@weft/sqlite";
import { EventLog } from "./event-log.ts";
import { Member } from "./member.ts";
import { Parked } from "./parked.ts";
import { Publisher } from "./publisher.ts";
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
const redriveBatch = 500;

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

  async deadLetters(filter: { topic: string; group: string; limit?: number }): Promise<readonly DeadLetter[]> {
    this.#checkOpen();
    const { topic, group, limit = 100 } = filter;
    return this.#parked.dead(topic, group, limit).map((failed) => deadLetterOf(failed, group));
  }

  async redrive(filter: { topic: string; group: string; eventId?: string }): Promise<number> {
    this.#checkOpen();
    const { topic, group, ...one } = filter;
    let total = 0;
    for (;;) {
      const count = this.#parked.redrive(topic, group, { ...one, now: this.#clock.now(), limit: redriveBatch });
      total += count;
      if (count < redriveBatch) return total;
      // Others get at the thread and the file in between.
      await new Promise((resolve) => setImmediate(resolve));
      this.#checkOpen();
    }
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
