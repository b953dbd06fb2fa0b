import { WeftError } from "@weft/kit";
import type { Admin, Cluster, ITopicConfig } from "kafkajs";
import { protocolType, toWeftError } from "./errors.ts";
import type { Renewed } from "./renewed.ts";
import type { KafkaSettings } from "./settings.ts";

/** What a topic of the mesh is for. */
export type TopicKind = "events" | "retry" | "dead";

export interface TopicNeed {
  /** On the broker. */
  readonly name: string;
  readonly kind: TopicKind;
  readonly partitions?: number;
}

/** What requests beside publishing and subscribing are made with. */
export interface Desk {
  readonly admin: Admin;
  readonly cluster: Cluster;
}

/** The desk, and how long one request at it may take. */
export interface DeskOptions {
  readonly desk: Renewed<Desk>;
  readonly deadlineMs: number;
}

const dayMs = 24 * 3_600_000;
/** Dead letters that nobody looked at. */
const deadLetterRetentionMs = 30 * dayMs;

/** A failed event carries the failure besides: the largest that was accepted must find room with it. */
export const maxFailedBytes = 2 * 1024 * 1024;

/** Every topic that this adapter makes looks as it is declared here. */
function declared({ name, kind, partitions }: TopicNeed, settings: KafkaSettings): ITopicConfig {
  const { replication = -1, minInsync, retentionMs } = settings;
  const config: Record<string, string> = minInsync === undefined ? {} : { "min.insync.replicas": String(minInsync) };
  switch (kind) {
    case "events":
      config["retention.ms"] = String(retentionMs);
      return { topic: name, numPartitions: partitions ?? 8, replicationFactor: replication, configEntries: of(config) };
    case "retry":
      // One partition for each planned wait, see `retryPartition`.
      config["retention.ms"] = String(retentionMs);
      config["max.message.bytes"] = String(maxFailedBytes);
      return { topic: name, numPartitions: 8, replicationFactor: replication, configEntries: of(config) };
    case "dead":
      // What was redriven is taken out by a record without value under the same key.
      config["cleanup.policy"] = "compact,delete";
      config["max.message.bytes"] = String(maxFailedBytes);
      config["retention.ms"] = String(deadLetterRetentionMs);
      return { topic: name, numPartitions: 1, replicationFactor: replication, configEntries: of(config) };
  }
}

/** The partition of a retry topic in which all wait equally long, so that none waits behind a later one; 0 is for those due at once. */
export function retryPartition(round: number): number {
  return Math.min(round, 7);
}

/** Makes topics, and remembers which are there. */
export class Topics {
  readonly #options: DeskOptions;
  readonly #settings: KafkaSettings;
  readonly #known = new Map<string, TopicNeed>();
  /** Requests under way, by the names in them. */
  readonly #making = new Map<string, Promise<void>>();

  constructor(options: DeskOptions, settings: KafkaSettings) {
    this.#options = options;
    this.#settings = settings;
  }

  /** Makes those that are not there. */
  async ensure(needs: readonly TopicNeed[]): Promise<void> {
    const missing = needs.filter(({ name }) => !this.#known.has(name));
    if (missing.length === 0) return;
    const names = missing.map(({ name }) => name).join(" ");
    // Many publish for the first time at once.
    const making = this.#making.get(names) ?? this.#make(missing).finally(() => this.#making.delete(names));
    this.#making.set(names, making);
    await making;
  }

  /** Whether it was there when it was last looked at. */
  knows(name: string): boolean {
    return this.#known.has(name);
  }

  /** Makes a topic again that turned out to be gone, as it was. */
  async restore(name: string): Promise<void> {
    const need = this.#known.get(name);
    if (need !== undefined) await this.#make([need]);
  }

  /** Looks for it the next time. */
  forget(name: string): void {
    this.#known.delete(name);
  }

  async exists(name: string): Promise<boolean> {
    if (this.#known.has(name)) return true;
    const { desk, deadlineMs } = this.#options;
    return desk.use("looking for a topic", deadlineMs, ({ cluster }) => isThere(cluster, name));
  }

  async #make(needs: readonly TopicNeed[]): Promise<void> {
    const { desk, deadlineMs } = this.#options;
    await desk.use("making topics", deadlineMs, async ({ admin, cluster }) => {
      const there = await Promise.all(needs.map(({ name }) => isThere(cluster, name)));
      // Who may not make topics can still use those that are there.
      const topics = needs.filter((_, index) => there[index] !== true).map((need) => declared(need, this.#settings));
      if (topics.length === 0) return;
      try {
        await admin.createTopics({ topics, waitForLeaders: true, timeout: deadlineMs / 2 });
      } catch (error) {
        throw explained(error);
      }
    });
    for (const need of needs) this.#known.set(need.name, need);
  }
}

async function isThere(cluster: Cluster, name: string): Promise<boolean> {
  const broker = await cluster.findControllerBroker();
  try {
    await broker.metadata([name]);
    return true;
  } catch (error) {
    const type = protocolType(error);
    if (type === "UNKNOWN_TOPIC_OR_PARTITION") return false;
    // Its leader is yet to be found: whoever uses it waits for that.
    if (type === "LEADER_NOT_AVAILABLE") return true;
    throw error;
  }
}

function explained(error: unknown): WeftError {
  const type = protocolType(error);
  if (type === "INVALID_REPLICATION_FACTOR") {
    return new WeftError("INVALID_CONFIGURATION", "kafka has fewer brokers than `replication` asks for", {
      cause: error,
    });
  }
  return toWeftError(error, "making topics");
}

function of(config: Readonly<Record<string, string>>): { name: string; value: string }[] {
  return Object.entries(config).map(([name, value]) => ({ name, value }));
}
