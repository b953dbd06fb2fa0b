import type { GroupLag } from "@weft/pubsub";
import type { Admin } from "kafkajs";
import type { Names } from "./names.ts";

/** How far a group is behind in its topics; its retry topics, which it reads too, are left out. */
export async function lagOf(admin: Admin, group: string, names: Names): Promise<readonly GroupLag[]> {
  const all = await admin.fetchOffsets({ groupId: names.of(group) });
  const retries = new Set(all.map(({ topic }) => names.retry(names.plain(topic), group)));
  const topics = all.filter(({ topic }) => !retries.has(topic));
  const lags = await Promise.all(
    topics.map(async ({ topic, partitions }): Promise<GroupLag[]> => {
      const ends = new Map((await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => [partition, high]));
      return partitions
        .filter(({ offset }) => BigInt(offset) >= 0n)
        .map(({ partition, offset }) => ({
          topic: names.plain(topic),
          partition,
          committed: BigInt(offset),
          end: BigInt(ends.get(partition) ?? offset),
        }));
    }),
  );
  return lags.flat().sort((a, b) => compare(a.topic, b.topic) || a.partition - b.partition);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
