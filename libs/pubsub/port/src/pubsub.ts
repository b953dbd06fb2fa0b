import type { CloudEvent } from "./cloud-event.ts";

/** An event and the key that orders it. */
export interface KeyedEvent {
  /** Events of one key stay in order: the aggregate's id. */
  readonly key: string;
  readonly event: CloudEvent;
}

/** An event as a subscriber gets it. */
export interface Delivery extends KeyedEvent {
  readonly topic: string;
  readonly partition: number;
  /** Grows within a partition. */
  readonly offset: bigint;
  /** 1 for the first try; counts tries through the retry topics too. */
  readonly attempt: number;
}

/** What to do with a delivery whose handler failed. */
export interface FailurePolicy {
  /** Tries at once, in place, before the delivery leaves its partition. Default 3. */
  readonly immediateAttempts?: number;
  /** Waits before each later try, in milliseconds; the delivery waits beside its partition, holding up nobody. Default [1,000, 10,000, 60,000]. */
  readonly retryDelaysMs?: readonly number[];
}

export interface SubscribeOptions {
  /** Subscribers of one group share the partitions; each group gets every event. */
  readonly group: string;
  readonly topics: readonly string[];
  /** Resolving acknowledges. Rejecting starts the failure policy; a rejection that is `retryable` is transient and pauses the partition instead of using up attempts, which is also the way to keep strict order where events have no versions. The signal aborts when the try takes too long, when the partition went to another member, or when the subscription ends and the handler has had its time. */
  readonly handle: (delivery: Delivery, signal: AbortSignal) => Promise<void>;
  readonly failure?: FailurePolicy;
  /** How long one try may take, in milliseconds. Then its signal aborts, and the delivery leaves its partition as one that failed with `DEADLINE_EXCEEDED`, without further tries in place; a handler that does not heed the signal within a second runs on beside others. Longer than what the handler calls may take. Default 60,000. */
  readonly handleTimeoutMs?: number;
  /** Deliveries handled at the same time, of different partitions. Default 16. */
  readonly maxConcurrency?: number;
  /** Where a new group starts. Default `earliest`. */
  readonly start?: "earliest" | "latest";
  /** How long a silent member keeps its partitions, in milliseconds. Default 5,000; at least 1,000. */
  readonly sessionTimeoutMs?: number;
}

/** A member of a group. Disposing finishes what is in hand, commits, and leaves the group. */
export interface Subscription extends AsyncDisposable {
  /** Resolves when the subscription ended, by dispose; rejects when it can't go on. */
  readonly ended: Promise<void>;
}

/** An event that was given up. */
export interface DeadLetter {
  readonly delivery: Delivery;
  readonly group: string;
  /** Reason and message of the last error. */
  readonly reason: string;
  readonly detail: string;
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** Of the dead letters of a group, those of one topic; with `key` or `reason`, those alone. */
export interface DeadLetterFilter {
  readonly topic: string;
  readonly group: string;
  readonly key?: string;
  /** Of the last error, as in {@link DeadLetter}. */
  readonly reason?: string;
}

/** How far a group is behind on a partition. */
export interface GroupLag {
  readonly topic: string;
  readonly partition: number;
  readonly committed: bigint;
  readonly end: bigint;
}

/** What of a topic stands beside its partitions for a group. */
export interface GroupParked {
  readonly topic: string;
  /** Deliveries that wait for another try: those that failed, were redriven or replayed. */
  readonly waiting: number;
  readonly dead: number;
}

/** An event as it stands in the log. */
export interface StoredEvent extends KeyedEvent {
  readonly topic: string;
  readonly partition: number;
  /** Grows within a partition. */
  readonly offset: bigint;
  /** When it was published, in milliseconds since the epoch. */
  readonly publishTime: number;
}

export interface ReadOptions {
  readonly topic: string;
  /** Where to begin; a number: in each partition at the first event published at or after that instant, in milliseconds since the epoch. Default `earliest`. */
  readonly from?: "earliest" | "latest" | number;
  /** Events of this key alone. */
  readonly key?: string;
  /** Go on as events come, until the signal aborts. Default: end at what was there when it began. */
  readonly follow?: boolean;
}

export interface ReplayOptions {
  readonly topic: string;
  readonly group: string;
  /** As in {@link ReadOptions}. */
  readonly from: "earliest" | number;
  /** Ends, in each partition, before the first event published at or after that instant, in milliseconds since the epoch. Default: at what was there when it began. */
  readonly to?: number;
  /** Events of this key alone. */
  readonly key?: string;
  /** The event of this id alone. */
  readonly eventId?: string;
}

/** A topic, and who reads it. */
export interface TopicInfo {
  readonly topic: string;
  readonly partitions: number;
  /** Names of the groups that ever committed on it or have a member that subscribes to it, sorted. */
  readonly groups: readonly string[];
}

/**
 * Building block: publish/subscribe. A log of partitions for each topic. A topic that is published or subscribed to
 * before `ensureTopic` comes into being with the defaults. Names of topics and groups are 1 to 200 letters, digits,
 * dots, dashes and underscores, keys at most 1,024 bytes, data at most 1,000,000 bytes (`PAYLOAD_TOO_LARGE`).
 * Publishing an event twice delivers it twice.
 *
 * Laws:
 * - `P1` An event whose `publish` resolved is delivered to every group, through crashes of anybody.
 * - `P2` Events of one key are delivered in the order they were published, except those that failed and are retried beside their partition.
 * - `P3` Delivery is at least once: one that was not acknowledged is delivered again.
 * - `P4` Members of a group share the partitions; those of a member that leaves or dies go to the others within a session timeout (plus 1 s).
 * - `P5` A handler that keeps failing, or never ends, holds up nobody: immediate tries, delayed tries beside the partition, then the dead letters with the reason.
 * - `P6` `redrive` delivers a dead letter to its group again, and takes it out of the dead letters; those that its filter leaves out stay.
 * - `P7` Memory is bounded: events wait in the log, not in the subscriber.
 * - `P8` A new group starts where `start` says; a known one where it committed.
 * - `P9` Key, data and every attribute of an event arrive as they were sent.
 * - `P10` `read` gives what stands in the log from where it is told to, each event once, in order within a partition, and changes nothing for anybody.
 * - `P11` `replay` delivers what stands in the log to its group again, each event once and those of one key in order, to no other group, while newer events go on.
 * - `P12` `topics`, `lag` and `parked` say what is there, without the retry and dead-letter topics.
 */
export interface PubSub extends AsyncDisposable {
  /** Makes a topic if it is not there. Partitions of an existing topic are left alone. Default 8 partitions. */
  ensureTopic(topic: string, options?: { readonly partitions?: number }): Promise<void>;

  /** Resolves when every event is durable; all of one call are accepted or, on an error, any of them may be. */
  publish(topic: string, events: readonly KeyedEvent[]): Promise<void>;

  /** Resolves when the group has been joined. `INVALID_ARGUMENT` for options that make no sense. */
  subscribe(options: SubscribeOptions): Promise<Subscription>;

  /** Newest first; at most `limit`, default 100, at most 10,000, and fewer when those have more than 32 MB. */
  deadLetters(filter: DeadLetterFilter & { readonly limit?: number }): Promise<readonly DeadLetter[]>;

  /** Puts dead letters back before their group, the oldest first; returns how many. */
  redrive(filter: DeadLetterFilter & { readonly eventId?: string }): Promise<number>;

  /** By topic and partition; nothing for a group that nobody knows. */
  lag(group: string): Promise<readonly GroupLag[]>;

  /** What stands beside the partitions of the group's topics, by topic. Counting dead letters may mean to read them all: not for a short interval. */
  parked(group: string): Promise<readonly GroupParked[]>;

  /** Topics by name. The retry and dead-letter topics are left out. */
  topics(): Promise<readonly TopicInfo[]>;

  /**
   * Events of a topic as they stand in the log, for nobody's account: without a group, and nothing is committed. Ends
   * without an error when the signal aborts. Memory is bounded by the pace of the reader. `NOT_FOUND` for a topic that
   * is not there, `INVALID_ARGUMENT` for a time that is not in whole milliseconds.
   */
  read(options: ReadOptions, signal?: AbortSignal): AsyncIterable<StoredEvent>;

  /**
   * Delivers to a group again what stands in the log, through its retry queue: beside its partitions, which go on.
   * So an old event may come after newer ones of its key, and whoever must not go back tells them by their version; the
   * events of one replay keep their order by key, as long as they do not fail. Resolves with how many there are once
   * they are durable, before they are delivered. One that is cut off, by the signal or an error, may have delivered a
   * part; to replay it again is safe for whoever bears at-least-once. `NOT_FOUND` for a topic that is not there, or a
   * group that never read it.
   */
  replay(options: ReplayOptions, signal?: AbortSignal): Promise<number>;
}
