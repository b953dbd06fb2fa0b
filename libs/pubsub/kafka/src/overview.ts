import type { Clock } from "@weft/kit";
import type { GroupLag, TopicInfo } from "@weft/pubsub";
import type { Admin, BrokerMetadata, Cluster } from "kafkajs";
import { protocolType } from "./errors.ts";
import { type Names, withoutParked } from "./names.ts";
import { groupBroker } from "./protocol.ts";
import type { Desk } from "./topics.ts";

/** How often the brokers are asked of all topics at most, and the time in between, in milliseconds. */
const maxLooks = 60;
const lookMs = 50;

/** Where a group stands in the partitions of one topic, by name on the broker. */
interface Standing {
  readonly topic: string;
  readonly partitions: readonly { readonly partition: number; readonly committed: bigint }[];
}

/** How far a group is behind in its topics; its retry topics, which it reads too, are left out. */
export async function lagOf(admin: Admin, group: string, names: Names): Promise<readonly GroupLag[]> {
  const { topics } = await standingOf(admin, group, names);
  return (await Promise.all(topics.map((standing) => behind(admin, standing, names)))).flat();
}

/** How many deliveries wait in the retry topic of each topic of a group, by topic. */
export async function waitingOf(admin: Admin, group: string, names: Names): Promise<ReadonlyMap<string, number>> {
  const { topics, retries } = await standingOf(admin, group, names);
  const waiting = topics.map(async ({ topic }): Promise<[string, number]> => {
    const retry = retries.get(topic);
    const lags = retry === undefined ? [] : await behind(admin, retry, names);
    return [names.plain(topic), lags.reduce((sum, { committed, end }) => sum + Number(end - committed), 0)];
  });
  return new Map(await Promise.all(waiting));
}

/** Every topic of the namespace, and the groups that committed offsets of it: a member does as soon as it has joined. */
export async function topicsOf({ admin, cluster }: Desk, names: Names, clock: Clock): Promise<readonly TopicInfo[]> {
  const { brokers, topicMetadata } = await everything(cluster, clock);
  const partitions = new Map(topicMetadata.map(({ topic, partitionMetadata }) => [topic, partitionMetadata.length]));
  const groupIds = await Promise.all(
    brokers.map(async ({ nodeId }) => {
      const broker = groupBroker(await cluster.findBroker({ nodeId: String(nodeId) }));
      return (await broker.listGroups()).groups.map(({ groupId }) => groupId);
    }),
  );
  const groups = new Map<string, string[]>();
  for (const group of names.plains(groupIds.flat()).toSorted()) {
    const { topics } = await standingOf(admin, group, names);
    for (const { topic } of topics) groups.set(topic, [...(groups.get(topic) ?? []), group]);
  }
  return withoutParked(names.plains([...partitions.keys()]))
    .toSorted()
    .map((topic) => {
      const name = names.of(topic);
      return { topic, partitions: partitions.get(name) ?? 0, groups: groups.get(name) ?? [] };
    });
}

/** What the brokers know of all topics. kafkajs takes it for an error while any of them has no leader, as when it is being made. */
async function everything(cluster: Cluster, clock: Clock): Promise<BrokerMetadata> {
  for (let number = 1; ; number += 1) {
    try {
      const broker = await cluster.findControllerBroker();
      return await broker.metadata([]);
    } catch (error) {
      if (protocolType(error) !== "LEADER_NOT_AVAILABLE" || number === maxLooks) throw error;
      await clock.sleep(lookMs);
    }
  }
}

/** Where a group stands in its topics, by name, and in the retry topic of each. Without partitions of which it committed nothing. */
async function standingOf(
  admin: Admin,
  group: string,
  names: Names,
): Promise<{ readonly topics: readonly Standing[]; readonly retries: ReadonlyMap<string, Standing> }> {
  const all = (await admin.fetchOffsets({ groupId: names.of(group) })).map(({ topic, partitions }): Standing => {
    const known = partitions.map(({ partition, offset }) => ({ partition, committed: BigInt(offset) }));
    return { topic, partitions: known.filter(({ committed }) => committed >= 0n) };
  });
  const byName = new Map(all.filter(({ partitions }) => partitions.length > 0).map((of) => [of.topic, of]));
  const retryNames = new Set([...byName.keys()].map((topic) => names.retry(names.plain(topic), group)));
  const topics = [...byName.values()].filter(({ topic }) => !retryNames.has(topic));
  topics.sort((a, b) => compare(a.topic, b.topic));
  const retries = new Map<string, Standing>();
  for (const { topic } of topics) {
    const retry = byName.get(names.retry(names.plain(topic), group));
    if (retry !== undefined) retries.set(topic, retry);
  }
  return { topics, retries };
}

/** By partition. */
async function behind(admin: Admin, { topic, partitions }: Standing, names: Names): Promise<readonly GroupLag[]> {
  const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, BigInt(high)]));
  return partitions
    .map(({ partition, committed }) => {
      return { topic: names.plain(topic), partition, committed, end: ends.get(partition) ?? committed };
    })
    .sort((a, b) => a.partition - b.partition);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
