import { Partitioners, type PartitionMetadata, type RecordMetadata } from "kafkajs";
import { expect, test } from "vitest";
import { checked, noting } from "./producer.ts";

const partitions = (count: number): PartitionMetadata[] =>
  Array.from({ length: count }, (_, partitionId) => ({
    partitionId,
    partitionErrorCode: 0,
    leader: 1,
    replicas: [1],
    isr: [1],
  }));

const written = (partition: number): RecordMetadata => ({ topicName: "t", partition, errorCode: 0 });

test("a key goes where Kafka's own partitioner puts it, and a partition that is not there is the last one", () => {
  const places = new Set<string>();
  const partitionOf = noting(places, Partitioners.DefaultPartitioner)();
  const place = (message: { key: string; value: null; partition?: number }): number =>
    partitionOf({ topic: "t", partitionMetadata: partitions(4), message });
  expect(place({ key: "k", value: null })).toBe(
    Partitioners.DefaultPartitioner()({
      topic: "t",
      partitionMetadata: partitions(4),
      message: { key: "k", value: null },
    }),
  );
  expect([place({ key: "k", value: null, partition: 2 }), place({ key: "k", value: null, partition: 7 })]).toEqual([
    2, 3,
  ]);
  expect(places).toContain("t/3");
});

test("records of which nothing is answered were not written", async () => {
  const places = new Set<string>();
  let answer = [written(0), written(1)];
  const producer = checked(places, {
    async sendBatch() {
      for (const partition of [0, 1]) places.add(`t/${partition}`);
      return answer;
    },
  });
  expect(await producer.sendBatch({})).toEqual(answer);
  // The second partition went over to the broker of the first while that had answered.
  answer = [written(0)];
  await expect(producer.sendBatch({})).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});
