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
  /** Resolving acknowledges. Rejecting starts the failure policy; a rejection that is `retryable` is transient and pauses the partition instead of using up attempts. The signal aborts when the partition went to another member, or when the subscription ends and the handler has had its time. */
  readonly handle: (delivery: Delivery, signal: AbortSignal) => Promise<void>;
  readonly failure?: FailurePolicy;
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

/** How far a group is behind on a partition. */
export interface GroupLag {
  readonly topic: string;
  readonly partition: number;
  readonly committed: bigint;
  readonly end: bigint;
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
 * - `P5` A handler that keeps failing holds up nobody: immediate tries, delayed tries beside the partition, then the dead letters with the reason.
 * - `P6` `redrive` delivers a dead letter to its group again, and takes it out of the dead letters.
 * - `P7` Memory is bounded: events wait in the log, not in the subscriber.
 * - `P8` A new group starts where `start` says; a known one where it committed.
 * - `P9` Key, data and every attribute of an event arrive as they were sent.
 */
export interface PubSub extends AsyncDisposable {
  /** Makes a topic if it is not there. Partitions of an existing topic are left alone. Default 8 partitions. */
  ensureTopic(topic: string, options?: { readonly partitions?: number }): Promise<void>;

  /** Resolves when every event is durable; all of one call are accepted or, on an error, any of them may be. */
  publish(topic: string, events: readonly KeyedEvent[]): Promise<void>;

  /** Resolves when the group has been joined. `INVALID_ARGUMENT` for options that make no sense. */
  subscribe(options: SubscribeOptions): Promise<Subscription>;

  /** Newest first; at most `limit`, default 100. */
  deadLetters(filter: {
    readonly topic: string;
    readonly group: string;
    readonly limit?: number;
  }): Promise<readonly DeadLetter[]>;

  /** Puts dead letters back before their group; returns how many. */
  redrive(filter: { readonly topic: string; readonly group: string; readonly eventId?: string }): Promise<number>;

  lag(group: string): Promise<readonly GroupLag[]>;
}
