import { silentLog, systemClock } from "@weft/kit";
import { expect, test } from "vitest";
import type { FetchAnswer, KafkaRecord } from "./protocol.ts";
import { type ReaderOptions, readEvents } from "./reader.ts";

const deadlineMs = 10_000;

/** A broker with one partition, which says that it ends at `end` and answers each fetch by `fetch`. */
function read(end: bigint, fetch: (offset: bigint) => FetchAnswer["responses"]) {
  const leader = { partitionErrorCode: 0, partitionId: 0, leader: 1, replicas: [1], isr: [1] };
  const cluster: ReturnType<ReturnType<ReaderOptions["newClient"]>["cluster"]> = {
    connect: async () => {},
    addMultipleTargetTopics: async () => {},
    findLeaderForPartitions: () => ({ "1": [0] }),
    findTopicPartitionMetadata: () => [leader],
    fetchTopicsOffset: async ([asked]) => {
      const offset = asked?.fromBeginning === true ? "0" : String(end);
      return [{ topic: "t", partitions: [{ partition: 0, offset }] }];
    },
    findBroker: async () => ({
      fetch: async ({ topics }) => {
        // Others get at the thread, as they do while a broker is asked.
        await new Promise((resolve) => setImmediate(resolve));
        return { responses: fetch(BigInt(topics[0]?.partitions[0]?.fetchOffset ?? 0)) };
      },
    }),
  };
  const newClient = () => ({ cluster: () => cluster, destroy: () => {} });
  const options = { topic: "t", name: "t", newClient, clock: systemClock, log: silentLog, deadlineMs };
  return Array.fromAsync(
    readEvents(options, AbortSignal.timeout(deadlineMs)),
    ({ offset, event: { id } }) => `${id}@${offset}`,
  );
}

function record(offset: number): KafkaRecord {
  const headers = { ce_id: Buffer.from("e"), ce_source: Buffer.from("/s"), ce_type: Buffer.from("T") };
  return { key: Buffer.from("k"), value: Buffer.alloc(1), timestamp: "0", offset: String(offset), headers };
}

const holding = (highWatermark: number, ...messages: KafkaRecord[]): FetchAnswer["responses"] => [
  { topicName: "t", partitions: [{ partition: 0, highWatermark: String(highWatermark), messages }] },
];

test("an answer that a broker holds back, or gives before it has caught up, is not the end", async () => {
  const answers = [holding(2, record(0)), [], holding(1), holding(2, record(1))];
  expect(await read(2n, () => answers.shift() ?? [])).toEqual(["e@0", "e@1"]);
});

test("batches that compaction emptied are passed over", async () => {
  expect(await read(9n, (offset) => (offset === 0n ? holding(9, record(0)) : holding(9)))).toEqual(["e@0"]);
});
