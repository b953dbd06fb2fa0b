import { backoffMs, type Clock, type Log, WeftError, withTimeout } from "@weft/kit";
import {
  completeFailurePolicy,
  type CompleteFailurePolicy,
  type SubscribeOptions,
  type Subscription,
  TimeLimit,
} from "@weft/pubsub";
import { answered, type Client } from "./client.ts";
import { protocolType, toWeftError } from "./errors.ts";
import { Generation } from "./generation.ts";
import { Membership } from "./membership.ts";
import type { Names } from "./names.ts";
import type { Parking } from "./parking.ts";
import type { TopicNeed, Topics } from "./topics.ts";

/** What Kafka's brokers take at least when nobody told them otherwise (`group.min.session.timeout.ms`), in milliseconds. */
const brokersMinSessionMs = 6000;
/** Longest wait for a handler when the subscription ends, in milliseconds. */
const drainMs = 10_000;
/** Longest wait for the brokers besides, in milliseconds: for the last commit, and for the goodbye. */
const goodbyeMs = 5000;
/** Longest way into the group, besides waiting for its other members, in milliseconds. */
const joinMs = 20_000;
/** Longest rest between two tries to get back into the group, in milliseconds. */
const maxRestMs = 1000;
/** Of so many failures in a row, one is told loudly. */
const quietFailures = 20;

export interface MemberOptions {
  readonly newClient: () => Client;
  readonly names: Names;
  readonly topics: Topics;
  readonly parking: Parking;
  readonly clock: Clock;
  readonly log: Log;
  readonly subscribe: SubscribeOptions;
}

/**
 * A member of a consumer group, for as long as the subscription lasts: whatever fails between it and the brokers, it
 * lets go of the connections, and comes back into the group with new ones.
 */
export class Member implements Subscription {
  readonly ended: Promise<void>;
  readonly #options: MemberOptions;
  readonly #policy: CompleteFailurePolicy;
  readonly #limit: TimeLimit;
  readonly #end = Promise.withResolvers<void>();
  readonly #joined = Promise.withResolvers<void>();
  readonly #stop = new AbortController();
  #client: Client | undefined;
  #membership: Membership | undefined;
  #generation: Generation | undefined;
  #sessionTimeoutMs: number;
  #abandoned = false;
  #known = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#policy = completeFailurePolicy(options.subscribe.failure);
    this.#limit = new TimeLimit(options.subscribe, options.clock);
    this.#sessionTimeoutMs = options.subscribe.sessionTimeoutMs ?? 5000;
    this.ended = this.#end.promise;
    // Whoever wants to know awaits it; nobody has to.
    this.ended.catch(() => undefined).finally(() => this.#limit[Symbol.dispose]());
    this.#joined.promise.catch(() => undefined);
  }

  /** Resolves when the group has been joined, or rejects within `deadlineMs`. */
  async start(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    void this.#live();
    const done = new AbortController();
    const late = clock.sleep(deadlineMs, done.signal).then(
      () => new WeftError("DEADLINE_EXCEEDED", `kafka: joining the group took longer than ${deadlineMs} ms`),
      () => undefined,
    );
    const error = await Promise.race([late, this.#joined.promise]).finally(() => done.abort());
    if (error === undefined) return;
    void this[Symbol.asyncDispose]();
    throw this.#trouble ?? error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const done = new AbortController();
    this.#options.clock.sleep(drainMs + goodbyeMs, done.signal).then(
      () => this.abandon(),
      () => undefined,
    );
    await this.ended.catch(() => undefined);
    done.abort();
  }

  /** Stops at once and writes nothing more, as if the process were killed. */
  abandon(): void {
    this.#abandoned = true;
    this.#stop.abort();
    this.#generation?.abandon();
    this.#client?.destroy();
    this.#end.resolve();
  }

  /** The last thing that went wrong on the way into the group. */
  #trouble: WeftError | undefined;

  /** Goes into the group again and again, until the end. Never rejects. */
  async #live(): Promise<void> {
    const { clock, log, subscribe } = this.#options;
    let failures = 0;
    while (!this.#stop.signal.aborted) {
      const begin = clock.monotonic();
      try {
        await this.#session();
      } catch (cause) {
        if (this.#abandoned) break;
        if (this.#lengthened(cause)) continue;
        const error = toWeftError(cause, `the subscription of ${subscribe.group}`);
        this.#trouble = error;
        if (protocolType(cause) === "UNKNOWN_TOPIC_OR_PARTITION") this.#forgetTopics();
        if (!error.retryable) {
          log.error({ err: error, group: subscribe.group }, "a subscription ended");
          this.#end.reject(error);
          this.#joined.reject(error);
          return;
        }
        // One that lasted begins to count anew.
        failures = clock.monotonic() - begin > 30_000 ? 1 : failures + 1;
        const level = failures % quietFailures === 1 ? "warn" : "debug";
        log[level]({ err: error, group: subscribe.group, failures }, "a subscription has no brokers and tries again");
        const restMs = backoffMs(failures, { initialMs: 100, maxMs: maxRestMs });
        await clock.sleep(restMs, this.#stop.signal).catch(() => undefined);
      }
    }
    this.#end.resolve();
  }

  /** From a new connection to its end: by dispose, or by an error. */
  async #session(): Promise<void> {
    const { newClient, names, topics, parking, clock, log, subscribe } = this.#options;
    const client = newClient();
    this.#client = client;
    try {
      await topics.ensure(this.#needs());
      const cluster = client.cluster(names.of(subscribe.group));
      await answered("connecting", () => cluster.connect());
      const sources = parking.sources(subscribe);
      const membership = (this.#membership ??= this.#newMembership([...sources.keys()]));
      membership.connect(cluster);
      while (!this.#stop.signal.aborted) {
        const generation = new Generation({
          cluster,
          membership,
          sources,
          parking,
          clock,
          log,
          subscribe: { ...subscribe, handle: this.#limit.handle },
          policy: this.#policy,
          known: this.#known,
          sessionTimeoutMs: this.#sessionTimeoutMs,
          drainMs,
        });
        this.#generation = generation;
        await withTimeout(() => generation.begin(), {
          timeoutMs: rebalanceTimeoutMs(this.#sessionTimeoutMs) + joinMs,
          what: `kafka: joining ${subscribe.group}`,
        });
        this.#known = true;
        this.#joined.resolve();
        this.#trouble = undefined;
        await generation.run(this.#stop.signal);
      }
      await membership.leave().catch((error: unknown) => {
        log.debug({ err: error, group: subscribe.group }, "could not leave the group");
      });
    } finally {
      this.#generation?.abandon();
      client.destroy();
    }
  }

  #needs(): readonly TopicNeed[] {
    const { names, subscribe } = this.#options;
    return subscribe.topics.flatMap((topic): TopicNeed[] => [
      { name: names.of(topic), kind: "events" },
      { name: names.retry(topic, subscribe.group), kind: "retry" },
    ]);
  }

  /** Somebody deleted one: it is to be made again. */
  #forgetTopics(): void {
    for (const { name } of this.#needs()) this.#options.topics.forget(name);
  }

  #newMembership(topics: readonly string[]): Membership {
    const { names, subscribe } = this.#options;
    return new Membership({
      group: names.of(subscribe.group),
      topics,
      sessionTimeoutMs: this.#sessionTimeoutMs,
      rebalanceTimeoutMs: rebalanceTimeoutMs(this.#sessionTimeoutMs),
    });
  }

  /** Whether a session that was too short for the brokers was made longer. */
  #lengthened(cause: unknown): boolean {
    if (protocolType(cause) !== "INVALID_SESSION_TIMEOUT" || this.#sessionTimeoutMs >= brokersMinSessionMs)
      return false;
    this.#options.log.info(
      { group: this.#options.subscribe.group, askedMs: this.#sessionTimeoutMs, sessionTimeoutMs: brokersMinSessionMs },
      "the brokers take no session as short as this; see group.min.session.timeout.ms",
    );
    this.#sessionTimeoutMs = brokersMinSessionMs;
    this.#membership = undefined;
    return true;
  }
}

/** How long the others wait for a member that has to finish what is in hand, in milliseconds. */
function rebalanceTimeoutMs(sessionTimeoutMs: number): number {
  return sessionTimeoutMs + 5000;
}
