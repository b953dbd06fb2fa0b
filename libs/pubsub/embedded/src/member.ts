import { type Clock, isWeftError, type Log, newUuid, WeftError } from "@weft/kit";
import {
  completeFailurePolicy,
  type CompleteFailurePolicy,
  deadLetterFields,
  type SubscribeOptions,
  type Subscription,
  TimeLimit,
} from "@weft/pubsub";
import type { SqliteFile } from "@weft/sqlite";
import { type LaneId, lanesOf, retryNumber } from "./assignment.ts";
import type { EventLog } from "./event-log.ts";
import { type Claim, Group } from "./group.ts";
import { Lane } from "./lane.ts";
import type { Parked } from "./parked.ts";
import { PartitionSource, RetrySource } from "./source.ts";

/** Longest wait for a handler when the subscription ends, in milliseconds. */
const drainMs = 10_000;
/** Rest before a lane is given back once more, in milliseconds. */
const releasePauseMs = 500;

export interface MemberOptions {
  readonly file: SqliteFile;
  readonly log: EventLog;
  readonly parked: Parked;
  readonly clock: Clock;
  readonly logger: Log;
  readonly subscribe: SubscribeOptions;
}

/**
 * A member of a consumer group. It wakes when the file changes, when a retry comes due, and at each heartbeat; then it
 * takes the lanes that are its share, gives back those that are not, and lets those with work run.
 */
export class Member implements Subscription {
  readonly ended: Promise<void>;
  readonly #options: MemberOptions;
  readonly #policy: CompleteFailurePolicy;
  readonly #limit: TimeLimit;
  readonly #group: Group;
  readonly #end = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  readonly #lanes = new Map<string, Lane>();
  /** Lanes that end, and may not be taken again before they have. */
  readonly #leaving = new Set<Lane>();
  /** Lanes with work, in the order in which they get a place among the running. */
  readonly #waiting: Lane[] = [];
  #id = newUuid();
  #generation = -1;
  /** Lanes of this member's share that another still holds. */
  #wanted: readonly LaneId[] = [];
  #running = 0;
  #wakeAt = Number.POSITIVE_INFINITY;
  #cancelWake = new AbortController();
  #watch: Disposable | undefined;
  #disposed: Promise<void> | undefined;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#policy = completeFailurePolicy(options.subscribe.failure);
    this.#limit = new TimeLimit(options.subscribe, options.clock);
    this.#group = new Group(options.file, options.subscribe.group);
    this.ended = this.#end.promise;
    // Whoever wants to know awaits it; nobody has to.
    this.ended.catch(() => undefined);
  }

  /** Joins the group and begins. */
  start(): void {
    const { file, log, subscribe } = this.#options;
    file.transaction(() => {
      for (const topic of subscribe.topics) {
        log.ensureTopic(topic);
        this.#group.ensureCursors(topic, log.ends(topic), subscribe.start ?? "earliest");
      }
      this.#join();
    });
    this.#watch = file.onChange(() => this.#wake());
    void this.#heartbeats();
    this.#wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  /** Stops at once and writes nothing more, as if the process were killed. */
  abandon(): void {
    this.#shut();
    for (const lane of this.#lanes.values()) lane.abandon();
    this.#limit[Symbol.dispose]();
    this.#disposed ??= Promise.resolve();
    this.#end.resolve();
  }

  async #dispose(): Promise<void> {
    this.#shut();
    // Signs of life go on meanwhile, or a long last delivery would be handed to another.
    const drained = new AbortController();
    const beating = this.#beatUntil(drained.signal);
    await Promise.all([...this.#lanes.values()].map((lane) => lane.stop(drainMs)));
    this.#limit[Symbol.dispose]();
    drained.abort();
    await beating;
    try {
      this.#group.leave(this.#id);
    } catch (error) {
      this.#options.logger.warn({ err: error, group: this.#options.subscribe.group }, "could not leave the group");
    }
    this.#end.resolve();
  }

  #shut(): void {
    this.#stop.abort();
    this.#cancelWake.abort();
    this.#watch?.[Symbol.dispose]();
    this.#waiting.length = 0;
  }

  async #heartbeats(): Promise<void> {
    await this.#beatUntil(this.#stop.signal, () => this.#wake());
  }

  async #beatUntil(signal: AbortSignal, also: () => void = () => {}): Promise<void> {
    const { clock, subscribe } = this.#options;
    // A dead member is noticed within a session timeout and one interval.
    const intervalMs = Math.min(750, Math.max(500, (subscribe.sessionTimeoutMs ?? 5000) / 5));
    while (!signal.aborted) {
      try {
        await clock.sleep(intervalMs, signal);
      } catch {
        return;
      }
      this.#guard(() => {
        if (!this.#group.beat(this.#id, clock.now())) this.#rejoin();
        also();
      });
    }
  }

  #join(): void {
    const { subscribe, clock } = this.#options;
    this.#generation = -1;
    this.#group.join({ id: this.#id, topics: subscribe.topics }, subscribe.sessionTimeoutMs ?? 5000, clock.now());
  }

  /** The others took this member for dead: its lanes are theirs. */
  #rejoin(): void {
    if (this.#stop.signal.aborted) return;
    this.#options.logger.warn({ group: this.#options.subscribe.group }, "rejoining a group that took us for dead");
    for (const [key, lane] of this.#lanes) void this.#drop(key, lane, 0);
    this.#id = newUuid();
    this.#join();
  }

  #wake(): void {
    if (this.#stop.signal.aborted) return;
    this.#guard(() => {
      this.#share();
      this.#pump();
    });
  }

  /** Takes and gives lanes, so that they are this member's share of the group. */
  #share(): void {
    const generation = this.#group.generation();
    if (generation !== this.#generation) {
      const { log, subscribe } = this.#options;
      const partitions = new Map(subscribe.topics.map((topic) => [topic, log.ends(topic).length]));
      const mine = lanesOf(this.#id, this.#group.members(), partitions);
      const keys = new Set(mine.map(keyOf));
      for (const [key, lane] of this.#lanes) {
        if (!keys.has(key)) void this.#drop(key, lane, subscribe.sessionTimeoutMs ?? 5000);
      }
      this.#wanted = mine;
      this.#generation = generation;
    }
    this.#wanted = this.#wanted.filter((id) => !this.#take(id));
  }

  /** Whether the lane needs no more taking. */
  #take(id: LaneId): boolean {
    const key = keyOf(id);
    const held = this.#lanes.get(key);
    if (held !== undefined) return !this.#leaving.has(held);
    const taken = this.#options.file.transaction(() => this.#group.claim(id, this.#id));
    if (taken === undefined) return false;
    this.#lanes.set(key, this.#open(taken.claim, taken.committed));
    return true;
  }

  /** Ends a lane and lets the next owner have it. */
  async #drop(key: string, lane: Lane, graceMs: number): Promise<void> {
    if (this.#leaving.has(lane)) return;
    this.#leaving.add(lane);
    await lane.stop(graceMs);
    await this.#release(lane.claim);
    this.#leaving.delete(lane);
    this.#lanes.delete(key);
    // It may have become this member's again meanwhile.
    this.#generation = -1;
    this.#wake();
  }

  /** Tried until it is done: a lane that was not given back is nobody's for as long as this member lives. */
  async #release(claim: Claim): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        return this.#group.release(claim);
      } catch (error) {
        this.#trouble(error);
      }
      await this.#options.clock.sleep(releasePauseMs, signal).catch(() => undefined);
    }
  }

  #open(claim: Claim, committed: number): Lane {
    const { file, log, parked, clock, logger, subscribe } = this.#options;
    const source = { file, log, parked, clock, claim, group: this.#group, groupName: subscribe.group };
    return new Lane({
      claim,
      clock,
      handle: this.#limit.handle,
      policy: this.#policy,
      source: claim.number === retryNumber ? new RetrySource(source) : new PartitionSource(source, committed),
      onGivenUp: (failed) =>
        logger.warn(deadLetterFields(failed, subscribe.group), "an event was given up, and is among the dead letters"),
      onPause: (error, { topic, number }, waitMs) =>
        logger.warn({ err: error, group: subscribe.group, topic, partition: number, waitMs }, "a partition waits"),
    });
  }

  /** Lets lanes with work run, each in its turn, as far as there is room. */
  #pump(): void {
    const now = this.#options.clock.now();
    for (const lane of this.#lanes.values()) {
      if (this.#waiting.includes(lane)) continue;
      const at = lane.readyAt();
      if (at === undefined) continue;
      if (at <= now) this.#waiting.push(lane);
      else this.#wakeBefore(at);
    }
    while (this.#running < (this.#options.subscribe.maxConcurrency ?? 16)) {
      const lane = this.#waiting.shift();
      if (lane === undefined) return;
      if (lane.readyAt() === undefined) continue;
      this.#running += 1;
      void this.#run(lane);
    }
  }

  async #run(lane: Lane): Promise<void> {
    try {
      await lane.step();
    } catch (error) {
      if (isWeftError(error, "LEASE_LOST")) void this.#drop(keyOf(lane.claim), lane, 0);
      else this.#trouble(error);
    }
    this.#running -= 1;
    if (!this.#stop.signal.aborted) this.#guard(() => this.#pump());
  }

  /** Wakes at the time `at`, unless that happens earlier anyway. */
  #wakeBefore(at: number): void {
    if (at >= this.#wakeAt) return;
    this.#cancelWake.abort();
    this.#cancelWake = new AbortController();
    this.#wakeAt = at;
    const { clock } = this.#options;
    clock.sleep(Math.max(1, at - clock.now()), this.#cancelWake.signal).then(
      () => {
        this.#wakeAt = Number.POSITIVE_INFINITY;
        this.#wake();
      },
      () => undefined,
    );
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#trouble(error);
    }
  }

  /** A file that is busy or a disk that is full gets better, and the next heartbeat tries again; a damaged file does not. */
  #trouble(error: unknown): void {
    if (this.#stop.signal.aborted) return;
    const { logger, subscribe } = this.#options;
    if (error instanceof WeftError && error.retryable) {
      logger.warn({ err: error, group: subscribe.group }, "a subscription is held up");
      return;
    }
    logger.error({ err: error, group: subscribe.group }, "a subscription ended");
    this.#end.reject(error);
    void this[Symbol.asyncDispose]();
  }
}

function keyOf({ topic, number }: LaneId): string {
  return `${number} ${topic}`;
}
