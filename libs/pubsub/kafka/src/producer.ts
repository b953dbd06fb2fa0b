import { WeftError } from "@weft/kit";
import { type ICustomPartitioner, Partitioners, type Producer } from "kafkajs";
import type { Client } from "./client.ts";

/** What records are written with. */
export type Writer = Pick<Producer, "sendBatch">;

/** kafkajs' idempotent producer, believed only as far as its answers go. */
export async function openProducer(client: Client): Promise<Writer> {
  const places = new Set<string>();
  const producer = client.kafka.producer({
    createPartitioner: noting(places, Partitioners.DefaultPartitioner),
    idempotent: true,
    allowAutoTopicCreation: false,
    metadataMaxAge: 60_000,
  });
  await producer.connect();
  return checked(places, producer);
}

/**
 * Kafka's own partitioner, as clients in other languages have it: a key is in one partition whoever publishes. A
 * partition that was asked for and is not there is the last one. Writes down where each record is to go.
 */
export function noting(places: Set<string>, createPartitioner: ICustomPartitioner): ICustomPartitioner {
  return () => {
    const partitionOf = createPartitioner();
    return (record) => {
      const partition = Math.min(partitionOf(record), record.partitionMetadata.length - 1);
      places.add(`${record.topic}/${partition}`);
      return partition;
    };
  };
}

/**
 * kafkajs leaves records out without a word whose partition goes over, while they are sent, to a broker that has
 * answered already for others; or whose partition is not there. `UNAVAILABLE` where any place has no answer.
 */
export function checked(places: Set<string>, producer: Writer): Writer {
  return {
    async sendBatch(batch) {
      places.clear();
      const written = await producer.sendBatch(batch);
      const answered = new Set(written.map(({ topicName, partition }) => `${topicName}/${partition}`));
      const missing = [...places].find((place) => !answered.has(place));
      if (missing !== undefined) throw new WeftError("UNAVAILABLE", `kafka: no answer for what was sent to ${missing}`);
      return written;
    },
  };
}
