import { WeftError, withTimeout } from "@weft/kit";
import type { Assignment, Cluster } from "kafkajs";
import { assignmentOf, metadataOf, protocolName, share, topicsOf } from "./assignment.ts";
import { answered } from "./client.ts";
import { protocolType } from "./errors.ts";
import { type GroupBroker, groupBroker } from "./protocol.ts";

/** A partition, on the broker. */
export interface PartitionId {
  readonly topic: string;
  readonly partition: number;
}

export interface MembershipOptions {
  /** On the broker, as all names here. */
  readonly group: string;
  readonly topics: readonly string[];
  readonly sessionTimeoutMs: number;
  /** How long the group waits for a member to come back with its work done, in milliseconds. */
  readonly rebalanceTimeoutMs: number;
}

/** What brokers say that are not yet, or no longer, what they are taken for: the group's coordinator, a partition's leader. */
const movingTypes: ReadonlySet<string> = new Set([
  "GROUP_LOAD_IN_PROGRESS",
  "GROUP_COORDINATOR_NOT_AVAILABLE",
  "NOT_COORDINATOR_FOR_GROUP",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "LEADER_NOT_AVAILABLE",
  "NOT_LEADER_FOR_PARTITION",
  "FENCED_LEADER_EPOCH",
  "UNKNOWN_LEADER_EPOCH",
  "REPLICA_NOT_AVAILABLE",
  "KAFKA_STORAGE_ERROR",
]);

/** Whether it is well to look again who is who, and then to ask again. */
export function isMoving(error: unknown): boolean {
  return movingTypes.has(protocolType(error) ?? "");
}

/** What the coordinator says when the group shares anew. The member is still one, until it joins again. */
export function isRebalance(error: unknown): boolean {
  return protocolType(error) === "REBALANCE_IN_PROGRESS";
}

/** What the coordinator says to a member whose partitions may be another's by now. */
export function isExpelled(error: unknown): boolean {
  const type = protocolType(error);
  return type === "UNKNOWN_MEMBER_ID" || type === "ILLEGAL_GENERATION";
}

/**
 * A member's talk with the coordinator of its group. It outlives connections: who comes back as the same member needs
 * not wait until its former self is taken for dead.
 */
export class Membership {
  readonly #options: MembershipOptions;
  #cluster: Cluster | undefined;
  #coordinator: GroupBroker | undefined;
  #memberId = "";
  #generationId = -1;
  /** Of a leader: how many partitions it shared, of each topic. */
  #shared: ReadonlyMap<string, number> | undefined;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** From now on it talks over these connections. */
  connect(cluster: Cluster): void {
    this.#cluster = cluster;
    this.#coordinator = undefined;
  }

  /** Joins, or joins again after a rebalance began. Gives this member's share. */
  async join(): Promise<Assignment> {
    const { group, topics, sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    const cluster = this.#connected();
    this.#shared = undefined;
    const coordinator = groupBroker(await cluster.findGroupCoordinator({ groupId: group }));
    this.#coordinator = coordinator;
    const joined = await coordinator.joinGroup({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      rebalanceTimeout: rebalanceTimeoutMs,
      memberId: this.#memberId,
      groupProtocols: [{ name: protocolName, metadata: metadataOf(topics) }],
    });
    this.#memberId = joined.memberId;
    this.#generationId = joined.generationId;
    const leads = joined.leaderId === joined.memberId;
    const everyTopic = leads ? topicsOf(joined.members) : topics;
    await cluster.addMultipleTargetTopics([...everyTopic]);
    // Others may know of more partitions by now.
    await cluster.refreshMetadata();
    if (leads) this.#shared = this.#count(everyTopic);
    const { memberAssignment } = await coordinator.syncGroup({
      groupId: group,
      generationId: joined.generationId,
      memberId: joined.memberId,
      groupAssignment: this.#shared === undefined ? [] : share(joined.members, this.#shared),
    });
    return assignmentOf(memberAssignment);
  }

  /** Forgets who it was, if the coordinator has: else the group would wait for a member that never comes back. */
  expelled(error: unknown): void {
    if (protocolType(error) === "UNKNOWN_MEMBER_ID") this.#memberId = "";
    this.#generationId = -1;
  }

  /** A sign of life. */
  async heartbeat(): Promise<void> {
    const { group, sessionTimeoutMs } = this.#options;
    // Without an answer for that long, the partitions are another's.
    await withTimeout(() => this.#joined().heartbeat({ groupId: group, ...this.#who() }), {
      timeoutMs: sessionTimeoutMs,
      what: "kafka: a heartbeat",
    });
  }

  /** Of a leader: whether there are other partitions by now than it shared. */
  async outdated(): Promise<boolean> {
    const shared = this.#shared;
    if (shared === undefined) return false;
    await answered("metadata", () => this.#connected().refreshMetadataIfNecessary());
    const now = this.#count([...shared.keys()]);
    return [...shared].some(([topic, count]) => now.get(topic) !== count);
  }

  /** Committed offsets; undefined for a partition of which none was committed. */
  async committed(partitions: readonly PartitionId[]): Promise<ReadonlyMap<PartitionId, bigint | undefined>> {
    const found = new Map<PartitionId, bigint | undefined>();
    if (partitions.length === 0) return found;
    const topics = byTopic(partitions, () => "-1");
    const { responses } = await answered("committed offsets", () =>
      this.#joined().offsetFetch({ groupId: this.#options.group, topics }),
    );
    for (const id of partitions) {
      const topic = responses.find((response) => response.topic === id.topic);
      const offset = BigInt(topic?.partitions.find(({ partition }) => partition === id.partition)?.offset ?? -1);
      found.set(id, offset < 0n ? undefined : offset);
    }
    return found;
  }

  /** Commits, for as long as the partitions are this member's: else {@link isExpelled}. */
  async commit(offsets: ReadonlyMap<PartitionId, bigint>): Promise<void> {
    if (offsets.size === 0) return;
    const topics = byTopic([...offsets.keys()], (id) => String(offsets.get(id) ?? 0n));
    await answered("a commit", () =>
      this.#joined().offsetCommit({ groupId: this.#options.group, ...this.#who(), topics }),
    );
  }

  /** Says goodbye, so that nobody waits for the session to run out. */
  async leave(): Promise<void> {
    if (this.#memberId === "" || this.#coordinator === undefined) return;
    const memberId = this.#memberId;
    await answered("leaving", () => this.#joined().leaveGroup({ groupId: this.#options.group, memberId }));
    this.#memberId = "";
  }

  #who(): { groupGenerationId: number; memberId: string } {
    return { groupGenerationId: this.#generationId, memberId: this.#memberId };
  }

  #joined(): GroupBroker {
    if (this.#coordinator === undefined) throw new WeftError("INTERNAL", "the group was not joined");
    return this.#coordinator;
  }

  #connected(): Cluster {
    if (this.#cluster === undefined) throw new WeftError("INTERNAL", "the group has no connection");
    return this.#cluster;
  }

  #count(topics: readonly string[]): ReadonlyMap<string, number> {
    const cluster = this.#connected();
    return new Map(topics.map((topic) => [topic, cluster.findTopicPartitionMetadata(topic).length]));
  }
}

function byTopic(
  partitions: readonly PartitionId[],
  offsetOf: (id: PartitionId) => string,
): { topic: string; partitions: { partition: number; offset: string }[] }[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, of]) => ({
    topic,
    partitions: of.map((id) => ({ partition: id.partition, offset: offsetOf(id) })),
  }));
}
