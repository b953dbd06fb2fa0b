import { type Clock, type Log, type NewId, newUuid, type Secret, silentLog, systemClock, WeftError } from "@weft/kit";
import {
  checkDeadLetterFilter,
  checkEvent,
  checkName,
  checkRead,
  checkReplay,
  checkSubscribe,
  type DeadLetter,
  type DeadLetterFilter,
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
import { Client } from "./client.ts";
import { toRecord } from "./codec.ts";
import { DeadLetters } from "./dead-letters.ts";
import { Member } from "./member.ts";
import { Names } from "./names.ts";
import { lagOf, topicsOf, waitingOf } from "./overview.ts";
import { Parking, retryRecord } from "./parking.ts";
import { openProducer, type Writer } from "./producer.ts";
import { Publisher } from "./publisher.ts";
import { readEvents } from "./reader.ts";
import { Renewed } from "./renewed.ts";
import { readSettings } from "./settings.ts";
import { type Desk, Topics } from "./topics.ts";

export interface OpenKafkaPubSubOptions {
  /**
   * `kafka://[user:password@]host[:port][,…]` with the parameters `namespace` (default `weft`), `tls` (`false`),
   * `mechanism` (of the login: `plain`, `scram-sha-256`, `scram-sha-512`; default `plain`), `compression` (`none` or
   * `gzip`; default `none`), and of topics that are made: `replication` (default: the brokers'), `minInsync` (the same),
   * `retentionHours` (168).
   */
  readonly url: Secret;
  /** Default: silent. */
  readonly log?: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Ids of dead letters. Default: `newUuid`. */
  readonly newId?: NewId;
  /** Within what every call ends, in milliseconds. Default 10,000. */
  readonly deadlineMs?: number;
}

/**
 * Publish/subscribe on Kafka. Resolves when a broker has answered: `UNAVAILABLE` when none does in time,
 * `INVALID_CONFIGURATION` for a bad URL or login. From then on the handle gets over every outage by itself.
 */
export async function openKafkaPubSub(options: OpenKafkaPubSubOptions): Promise<PubSub> {
  const pubsub = new KafkaPubSub(options);
  try {
    await pubsub.ready();
    return pubsub;
  } catch (error) {
    pubsub.abandon();
    throw error;
  }
}

const maxPartitions = 1000;

/** {@link openKafkaPubSub} */
export class KafkaPubSub implements PubSub {
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #deadlineMs: number;
  readonly #names: Names;
  readonly #newClient: () => Client;
  readonly #desk: Renewed<Desk>;
  readonly #producer: Renewed<Writer>;
  readonly #topics: Topics;
  readonly #publisher: Publisher;
  readonly #parking: Parking;
  readonly #dead: DeadLetters;
  readonly #members = new Set<Member>();
  /** Ends readers. */
  readonly #closed = new AbortController();
  #disposed: Promise<void> | undefined;

  constructor(options: OpenKafkaPubSubOptions) {
    const { url, log = silentLog, clock = systemClock, newId = newUuid, deadlineMs = 10_000 } = options;
    const settings = readSettings(url);
    this.#clock = clock;
    this.#log = log;
    this.#deadlineMs = deadlineMs;
    this.#names = new Names(settings.namespace);
    this.#newClient = () => new Client(settings, log);
    this.#desk = new Renewed(clock, this.#newClient, openDesk);
    this.#producer = new Renewed(clock, this.#newClient, openProducer);
    const desk = { desk: this.#desk, deadlineMs };
    this.#topics = new Topics(desk, settings);
    this.#publisher = new Publisher({
      sender: this.#producer,
      clock,
      log,
      deadlineMs,
      gzip: settings.gzip,
      onMissing: (topic) => this.#topics.restore(topic),
    });
    const common = { names: this.#names, topics: this.#topics, publisher: this.#publisher, clock, log };
    this.#parking = new Parking({ ...common, newId });
    this.#dead = new DeadLetters({ ...common, ...desk });
  }

  /** Resolves when a broker has answered. */
  async ready(): Promise<void> {
    await this.#desk.use("connecting", this.#deadlineMs, ({ admin }) => admin.describeCluster());
  }

  async ensureTopic(topic: string, options: { readonly partitions?: number } = {}): Promise<void> {
    this.#checkOpen();
    checkName("topic", topic);
    const { partitions } = options;
    if (partitions !== undefined && !(Number.isInteger(partitions) && partitions >= 1 && partitions <= maxPartitions)) {
      throw new WeftError("INVALID_ARGUMENT", `a topic has 1 to ${maxPartitions} partitions`);
    }
    const name = this.#names.of(topic);
    // Asked for by name: so look, even if it was there a while ago.
    this.#topics.forget(name);
    await this.#topics.ensure([{ name, kind: "events", ...(partitions === undefined ? {} : { partitions }) }]);
  }

  async publish(topic: string, events: readonly KeyedEvent[]): Promise<void> {
    this.#checkOpen();
    checkName("topic", topic);
    for (const event of events) checkEvent(event);
    if (events.length === 0) return;
    const records = events.map(toRecord);
    const name = this.#names.of(topic);
    if (!this.#topics.knows(name)) await this.#topics.ensure([{ name, kind: "events" }]);
    await this.#publisher.publish(name, records);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    this.#checkOpen();
    checkSubscribe(options);
    const member = new Member({
      newClient: this.#newClient,
      names: this.#names,
      topics: this.#topics,
      parking: this.#parking,
      clock: this.#clock,
      log: this.#log,
      subscribe: options,
    });
    this.#members.add(member);
    const forget = (): void => void this.#members.delete(member);
    member.ended.then(forget, forget);
    await member.start(this.#deadlineMs);
    return member;
  }

  async deadLetters(filter: DeadLetterFilter & { limit?: number }): Promise<readonly DeadLetter[]> {
    this.#checkOpen();
    checkDeadLetterFilter(filter);
    return this.#dead.list(filter, filter.limit ?? 100);
  }

  async redrive(filter: DeadLetterFilter & { eventId?: string }): Promise<number> {
    this.#checkOpen();
    checkDeadLetterFilter(filter);
    return this.#dead.redrive(filter);
  }

  async lag(group: string): Promise<readonly GroupLag[]> {
    this.#checkOpen();
    checkName("group", group);
    const names = this.#names;
    return this.#desk.use("asking for the lag", this.#deadlineMs, ({ admin }) => lagOf(admin, group, names));
  }

  async parked(group: string): Promise<readonly GroupParked[]> {
    this.#checkOpen();
    checkName("group", group);
    const names = this.#names;
    const what = "asking for what waits";
    const waiting = await this.#desk.use(what, this.#deadlineMs, ({ admin }) => waitingOf(admin, group, names));
    const counted: GroupParked[] = [];
    // One after the other: each may mean to read a whole topic.
    for (const [topic, count] of waiting) {
      counted.push({ topic, waiting: count, dead: await this.#dead.count(topic, group) });
    }
    return counted;
  }

  async topics(): Promise<readonly TopicInfo[]> {
    this.#checkOpen();
    return this.#desk.use("listing topics", this.#deadlineMs, (desk) => topicsOf(desk, this.#names, this.#clock));
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
    const known = await this.lag(group);
    if (!known.some((lag) => lag.topic === topic)) {
      throw new WeftError("NOT_FOUND", `no group ${group} has read the topic ${topic}`);
    }
    const name = this.#names.retry(topic, group);
    await this.#topics.ensure([{ name, kind: "retry" }]);
    let total = 0;
    for await (const batch of replayBatches(this.#events(options, signal), eventId)) {
      const now = this.#clock.now();
      await this.#publisher.publish(
        name,
        batch.map((event) => retryRecord(replayed(event, now))),
      );
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
    this.#disposed ??= Promise.resolve();
    this.#closed.abort();
    for (const member of this.#members) member.abandon();
    this.#producer.close();
    this.#desk.close();
  }

  async #dispose(): Promise<void> {
    this.#closed.abort();
    await Promise.all([...this.#members].map((member) => member[Symbol.asyncDispose]()));
    await this.#publisher.flush();
    this.#producer.close();
    this.#desk.close();
  }

  /** Ends with the signal, and when this is closed. */
  #events(options: ReadOptions | ReplayOptions, signal: AbortSignal | undefined): AsyncIterable<StoredEvent> {
    const ending = AbortSignal.any([this.#closed.signal, ...(signal === undefined ? [] : [signal])]);
    const common = { newClient: this.#newClient, clock: this.#clock, log: this.#log, deadlineMs: this.#deadlineMs };
    return readEvents({ ...options, ...common, name: this.#names.of(options.topic) }, ending);
  }

  #checkOpen(): void {
    if (this.#disposed !== undefined) throw new WeftError("UNAVAILABLE", "publish/subscribe is closed");
  }
}

async function openDesk(client: Client): Promise<Desk> {
  const admin = client.kafka.admin();
  const cluster = client.cluster("weft");
  await Promise.all([admin.connect(), cluster.connect()]);
  await cluster.refreshMetadata();
  return { admin, cluster };
}
