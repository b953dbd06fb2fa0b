import type { Clock, Log } from "@weft/kit";
import type { CompleteFailurePolicy, SubscribeOptions } from "@weft/pubsub";
import type { Cluster } from "kafkajs";
import { answered } from "./client.ts";
import { Fetcher } from "./fetcher.ts";
import { Lane } from "./lane.ts";
import { isExpelled, isMoving, isRebalance, type Membership, type PartitionId } from "./membership.ts";
import type { Parking, SourceOf } from "./parking.ts";
import { Slots } from "./slots.ts";

/** How long an acknowledgement may wait for others to be committed with it, in milliseconds. */
const commitDelayMs = 100;
/** How long brokers may need to agree on who is who, before all is begun anew; in milliseconds. */
const maxBeginMs = 10_000;

export interface GenerationOptions {
  readonly cluster: Cluster;
  readonly membership: Membership;
  /** What the topics of the subscription hold, by their names on the broker. */
  readonly sources: ReadonlyMap<string, SourceOf>;
  readonly parking: Parking;
  readonly clock: Clock;
  readonly log: Log;
  readonly subscribe: SubscribeOptions;
  readonly policy: CompleteFailurePolicy;
  /** Whether the subscription was a member before: partitions that nobody knew then are new, and nothing in them is old. */
  readonly known: boolean;
  readonly sessionTimeoutMs: number;
  /** Longest wait for a handler when the subscription ends, in milliseconds. */
  readonly drainMs: number;
}

/** Why a generation ended without an error. */
type End = "stopped" | "rebalance" | "expelled";

/**
 * From one sharing of the group's partitions to the next. Before a member takes part in the next one, what it has in hand
 * is finished and committed: no two handlers ever have a partition of a living group, and nothing is handled twice.
 */
export class Generation {
  readonly #options: GenerationOptions;
  readonly #ending = new AbortController();
  /** Ends earlier: what is in hand is still to be finished, with signs of life. */
  readonly #fetching = new AbortController();
  readonly #end = Promise.withResolvers<End>();
  #lanes: readonly Lane[] = [];
  #fetcher: Fetcher | undefined;
  /** Committed offsets, of partitions of which some are known. */
  readonly #committed = new Map<PartitionId, bigint>();
  #progress = false;
  /** When the last sign of life was sent that was answered: the session is counted from there. */
  #aliveAt: number;

  constructor(options: GenerationOptions) {
    this.#options = options;
    this.#aliveAt = options.clock.monotonic();
    this.#end.promise.catch(() => undefined);
  }

  /** Joins the group, and settles where each partition of its share begins. */
  async begin(): Promise<void> {
    const { cluster, membership, clock, log, subscribe } = this.#options;
    const end = clock.monotonic() + maxBeginMs;
    for (;;) {
      try {
        return await this.#tryToBegin();
      } catch (error) {
        if (isExpelled(error)) membership.expelled(error);
        else if (!isRebalance(error) && !isMoving(error)) throw error;
        if (clock.monotonic() > end) throw error;
        log.debug({ err: error, group: subscribe.group }, "joining the group again");
        await clock.sleep(100);
        if (isMoving(error)) await cluster.refreshMetadata();
      }
    }
  }

  /** Until the group shares anew, or `stop` aborts. Rejects when the brokers can't be reached. */
  async run(stop: AbortSignal): Promise<void> {
    const { cluster, clock, subscribe, log, sessionTimeoutMs, drainMs, membership } = this.#options;
    const stopped = (): void => this.#end.resolve("stopped");
    stop.addEventListener("abort", stopped, { once: true });
    if (stop.aborted) stopped();
    this.#fetcher = new Fetcher({
      cluster,
      lanes: this.#lanes,
      clock,
      signal: this.#fetching.signal,
      onGap: (lane) => this.#afterGap(lane),
    });
    const fail = (error: unknown): void => this.#end.reject(error);
    const fetching = this.#fetcher.run().catch(fail);
    const beating = this.#beat().catch(fail);
    const committing = this.#commits().catch(fail);
    try {
      const end = await this.#end.promise;
      if (end === "expelled") log.warn({ group: subscribe.group }, "a group took us for dead; joining it again");
      // The partitions of a member that was expelled are another's already.
      await this.#drain({ stopped: drainMs, rebalance: sessionTimeoutMs, expelled: 0 }[end]);
      this.#ending.abort();
      await Promise.all([beating, committing]);
      await this.#commit().catch((error: unknown) => {
        // What is not committed comes again, to whoever has the partition then.
        if (isExpelled(error)) membership.expelled(error);
        else if (!isRebalance(error)) throw error;
      });
    } catch (error) {
      // What can't be committed comes again, but not while it is still in hand: until others may have the partitions.
      await this.#drain(Math.max(0, this.#aliveAt + sessionTimeoutMs - clock.monotonic()));
      throw error;
    } finally {
      stop.removeEventListener("abort", stopped);
      this.abandon();
      // A request that is under way brings nothing any more.
      void fetching;
    }
  }

  /** Lets go of everything at once. */
  abandon(): void {
    this.#ending.abort();
    this.#fetching.abort();
    for (const lane of this.#lanes) lane.abandon();
  }

  /** Finishes what is in hand, for at most `graceMs`. */
  async #drain(graceMs: number): Promise<void> {
    this.#fetching.abort();
    await Promise.all(this.#lanes.map((lane) => lane.stop(graceMs)));
  }

  async #tryToBegin(): Promise<void> {
    const { membership, cluster, clock, subscribe, sources, log, known: returning } = this.#options;
    const share = await membership.join();
    this.#aliveAt = clock.monotonic();
    const ids = Object.entries(share).flatMap(([topic, partitions]) =>
      sources.has(topic) ? partitions.map((partition) => ({ topic, partition })) : [],
    );
    const known = await membership.committed(ids);
    const fresh = ids.filter((id) => known.get(id) === undefined);
    const starts = await startsOf(cluster, fresh, (topic) =>
      returning ? "earliest" : (sources.get(topic)?.start ?? "earliest"),
    );
    // Written down now, or `latest` would be another place after each rebalance.
    await membership.commit(starts);
    for (const id of ids) this.#committed.set(id, known.get(id) ?? starts.get(id) ?? 0n);
    const slots = new Slots(subscribe.maxConcurrency ?? 16);
    this.#lanes = ids.map((id) => this.#lane(id, slots));
    log.info({ group: subscribe.group, partitions: ids.length }, "joined the group");
  }

  #lane(id: PartitionId, slots: Slots): Lane {
    const { clock, log, subscribe, policy, parking, sources } = this.#options;
    const source = sources.get(id.topic);
    return new Lane({
      id,
      position: this.#committed.get(id) ?? 0n,
      slots,
      clock,
      policy,
      handle: subscribe.handle,
      read: (record) => source?.read(record, id.partition) ?? { kind: "skip" },
      park: (outcome) => parking.park(outcome, subscribe.group),
      onProgress: () => (this.#progress = true),
      onHungry: () => this.#fetcher?.wake(),
      onPause: (error, waitMs) => log.warn({ err: error, group: subscribe.group, ...id, waitMs }, "a partition waits"),
    });
  }

  async #beat(): Promise<void> {
    const { membership, clock, sessionTimeoutMs } = this.#options;
    const intervalMs = Math.min(3000, Math.max(200, sessionTimeoutMs / 5));
    while (await this.#rest(intervalMs)) {
      try {
        const sentAt = clock.monotonic();
        await membership.heartbeat();
        this.#aliveAt = sentAt;
        if (await membership.outdated()) this.#end.resolve("rebalance");
      } catch (error) {
        this.#heard(error);
      }
    }
  }

  async #commits(): Promise<void> {
    while (await this.#rest(commitDelayMs)) {
      try {
        await this.#commit();
      } catch (error) {
        this.#heard(error);
      }
    }
  }

  /** Commits what was acknowledged, if anything was. */
  async #commit(): Promise<void> {
    if (!this.#progress) return;
    this.#progress = false;
    const offsets = new Map<PartitionId, bigint>();
    for (const { id, position } of this.#lanes) {
      if (position !== this.#committed.get(id)) offsets.set(id, position);
    }
    try {
      await this.#options.membership.commit(offsets);
    } catch (error) {
      this.#progress = true;
      throw error;
    }
    for (const [id, offset] of offsets) this.#committed.set(id, offset);
  }

  /** What the coordinator answered instead of 'well': the end of the generation, or of the session. */
  #heard(error: unknown): void {
    if (isRebalance(error)) this.#end.resolve("rebalance");
    else if (isExpelled(error)) this.#end.resolve("expelled");
    else throw error;
  }

  /** Whether the generation goes on after the rest. */
  async #rest(ms: number): Promise<boolean> {
    await this.#options.clock.sleep(ms, this.#ending.signal).catch(() => undefined);
    return !this.#ending.signal.aborted;
  }

  async #afterGap({ id, fetchPosition }: Lane): Promise<bigint> {
    const { cluster, log, subscribe } = this.#options;
    const first = (await startsOf(cluster, [id], () => "earliest")).get(id) ?? 0n;
    const end = (await startsOf(cluster, [id], () => "latest")).get(id) ?? 0n;
    if (fetchPosition >= first && fetchPosition <= end) return fetchPosition;
    log.error({ group: subscribe.group, ...id, fetchPosition, first }, "events were deleted before they were handled");
    return first;
  }
}

/** Where partitions begin or end. */
async function startsOf(
  cluster: Cluster,
  ids: readonly PartitionId[],
  startOf: (topic: string) => "earliest" | "latest",
): Promise<ReadonlyMap<PartitionId, bigint>> {
  const starts = new Map<PartitionId, bigint>();
  if (ids.length === 0) return starts;
  const topics = [...Map.groupBy(ids, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map(({ partition }) => ({ partition })),
    fromBeginning: startOf(topic) === "earliest",
  }));
  const found = await answered("the ends of partitions", () => cluster.fetchTopicsOffset(topics));
  for (const id of ids) {
    const topic = found.find((offsets) => offsets.topic === id.topic);
    const offset = topic?.partitions.find(({ partition }) => partition === id.partition)?.offset;
    if (offset !== undefined) starts.set(id, BigInt(offset));
  }
  return starts;
}
