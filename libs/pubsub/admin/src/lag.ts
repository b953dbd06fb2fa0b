import type { MessageInitShape } from "@bufbuild/protobuf";
import type { GroupLagSchema } from "@weft/contracts/events";
import type { PubSub } from "@weft/pubsub";
import { findReaders } from "./readers.ts";

type Lag = MessageInitShape<typeof GroupLagSchema>;

/** How far a group, or with an empty name each, is behind on its topics; by group and topic. `NOT_FOUND` for one that reads nothing. */
export async function lagOf(pubsub: Pick<PubSub, "topics" | "lag" | "parked">, group: string): Promise<Lag[]> {
  const infos = await findReaders(pubsub, { topic: "", group });
  const groups = [...new Set(infos.flatMap((info) => info.groups))].sort();
  const lags: Lag[] = [];
  for (const name of groups) {
    const [partitions, parked] = await Promise.all([pubsub.lag(name), pubsub.parked(name)]);
    for (const { topic } of infos.filter((info) => info.groups.includes(name))) {
      const ofTopic = partitions.filter((one) => one.topic === topic);
      const beside = parked.find((one) => one.topic === topic);
      lags.push({
        group: name,
        topic,
        lag: ofTopic.reduce((sum, { committed, end }) => sum + (end > committed ? end - committed : 0n), 0n),
        waiting: BigInt(beside?.waiting ?? 0),
        dead: BigInt(beside?.dead ?? 0),
        partitions: ofTopic.map(({ partition, committed, end }) => ({ partition, committed, end })),
      });
    }
  }
  return lags;
}
