// kafkajs alone, as it comes: it is told of a group, consumes the topic from its begin, and tells how long that took.
import { Kafka, logLevel } from "kafkajs";

const [broker, topic, count] = process.argv.slice(2);
if (broker === undefined || topic === undefined) throw new Error("usage: kafka-consumer.ts BROKER TOPIC COUNT");
const client = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });

process.on("message", (message: { readonly group: string }) => {
  void consume(message.group, Number(count)).then((done) => process.send?.(done));
});
process.on("SIGTERM", () => process.exit(0));
process.on("disconnect", () => process.exit(0));
process.send?.({ address: broker });

/** Commits what was handled, about as often as ours. */
async function consume(groupId: string, events: number): Promise<{ readonly ms: number; readonly cpuMs: number }> {
  const consumer = client.consumer({ groupId, sessionTimeout: 6000, maxWaitTimeInMs: 250 });
  const all = Promise.withResolvers<void>();
  let handled = 0;
  await consumer.connect();
  await consumer.subscribe({ topic: topic ?? "", fromBeginning: true });
  await consumer.run({
    autoCommitInterval: 100,
    partitionsConsumedConcurrently: 8,
    eachMessage: async () => {
      handled += 1;
      if (handled === events) all.resolve();
    },
  });
  const begin = performance.now();
  const before = process.cpuUsage();
  await all.promise;
  const { user, system } = process.cpuUsage(before);
  const ms = performance.now() - begin;
  await consumer.disconnect();
  return { ms, cpuMs: (user + system) / 1000 };
}
