import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newUuid, Secret } from "@weft/kit";
import { startServer } from "@weft/native";
import type { KeyedEvent } from "@weft/pubsub";
import { openKafkaPubSub } from "@weft/pubsub-kafka";
import { type IHeaders, Kafka, logLevel, type Message, Partitioners } from "kafkajs";
import { startChild } from "./child.ts";
import { type Benchmark, type Comparison, interleave, type Result } from "./result.ts";

const rounds = 3;
const published = 20_000;
const consumed = 50_000;
const topic = "bench";
const peerName = "bare kafkajs";

/** Publishes events, all of one call at once. */
type Publish = (topic: string, events: readonly KeyedEvent[]) => Promise<unknown>;

interface Rate {
  readonly perSecond: number;
  /** Of this process alone. */
  readonly perCpuSecond: number;
}

function events(count: number): KeyedEvent[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `user-${index % 500}`,
    event: {
      id: newUuid(),
      source: "/weft/user",
      type: "weft.event.v1.UserUpdated",
      subject: `user-${index % 500}`,
      time: Date.now(),
      dataContentType: "application/protobuf",
      data: Buffer.alloc(200, index),
      extensions: { aggregateversion: String(index) },
    },
  }));
}

/** The same records by hand, as someone writes them who uses kafkajs alone. */
function message({ key, event }: KeyedEvent): Message {
  const headers: IHeaders = {
    ce_specversion: "1.0",
    ce_id: event.id,
    ce_source: event.source,
    ce_type: event.type,
    ce_subject: event.subject,
    ce_time: new Date(event.time).toISOString(),
    "content-type": event.dataContentType,
    ce_aggregateversion: event.extensions["aggregateversion"],
  };
  return { key, value: Buffer.from(event.data), headers };
}

/** Callers side by side, each with one call after the other. */
async function produce(publish: Publish, callers: number, batch: number): Promise<Rate> {
  const count = batch === 1 ? published / 4 : published;
  const all = events(count);
  let next = 0;
  const one = async (): Promise<void> => {
    for (let from = (next += batch) - batch; from < count; from = (next += batch) - batch) {
      await publish(topic, all.slice(from, from + batch));
    }
  };
  return rate(count, () => Promise.all(Array.from({ length: callers }, one)));
}

/** Calls `done` with the number of the event that was handled. */
type Consume = (group: string, handled: () => void) => Promise<AsyncDisposable>;

/** From the moment that the group is joined to the last event, fetching and decoding included. */
async function consume(start: Consume): Promise<Rate> {
  const all = Promise.withResolvers<void>();
  let count = 0;
  await using _ = await start(`g-${newUuid()}`, () => {
    count += 1;
    if (count === consumed) all.resolve();
  });
  // Awaited here: the consumer leaves at the end of this block.
  return await rate(consumed, () => all.promise);
}

async function rate(count: number, work: () => Promise<unknown>): Promise<Rate> {
  const begin = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return { perSecond: (count / (performance.now() - begin)) * 1000, perCpuSecond: (count / (user + system)) * 1e6 };
}

export const kafka: Benchmark = {
  name: "kafka",
  about:
    "Events of 200 bytes through one real broker, idempotent and acknowledged by all replicas: eight callers with 100 events a call, 64 callers with one event a call, and consuming 50,000 that are there already, with commits after the handler; against kafkajs with the same batches, records, acknowledgements and concurrency, for the consuming in a process of its own, as ours mends kafkajs.",
  async run() {
    const dir = await mkdtemp(join(tmpdir(), "weft-bench-kafka-"));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
    const server = stack.use(await startServer("kafka", { dir }));
    const ours = stack.use(await openKafkaPubSub({ url: new Secret(server.url) }));
    await ours.ensureTopic(topic);
    const client = new Kafka({ brokers: [`127.0.0.1:${server.port}`], logLevel: logLevel.NOTHING });
    const producer = client.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    stack.defer(() => producer.disconnect());
    const bare: Publish = (name, some) => producer.send({ topic: name, acks: -1, messages: some.map(message) });

    const results: Result[] = [];
    for (const { name, callers, batch } of [
      { name: "kafka-produce-100", callers: 8, batch: 100 },
      { name: "kafka-produce-1", callers: 64, batch: 1 },
    ]) {
      const compared = await interleave(
        rounds,
        () => produce((to, some) => ours.publish(to, some), callers, batch),
        () => produce(bare, callers, batch),
      );
      results.push(...rows(name, compared));
    }

    const filled = "bench-consume";
    await ours.ensureTopic(filled);
    await ours.publish(filled, events(consumed));
    await using peer = await startPeer([`127.0.0.1:${server.port}`, filled, String(consumed)]);
    const compared = await interleave(
      rounds,
      () => consume((group, handled) => ours.subscribe({ group, topics: [filled], handle: async () => handled() })),
      peer.consume,
    );
    return [...results, ...rows("kafka-consume", compared)];
  },
};

function rows(name: string, compared: (figure: keyof Rate) => Comparison): readonly Result[] {
  return [
    { name, ...compared("perSecond"), peerName, unit: "events/s" },
    { name: `${name}-cpu`, ...compared("perCpuSecond"), peerName, unit: "events/CPU s" },
  ];
}

interface Peer extends AsyncDisposable {
  readonly consume: () => Promise<Rate>;
}

/** A process of its own: ours mends kafkajs in its process. */
async function startPeer(args: readonly string[]): Promise<Peer> {
  let told = Promise.withResolvers<{ readonly ms: number; readonly cpuMs: number }>();
  const child = await startChild(join(import.meta.dirname, "peers/kafka-consumer.ts"), {
    args,
    // About its timers.
    env: { NODE_NO_WARNINGS: "1" },
    addressOf: (message) => (message as { readonly address?: string }).address,
    onMessage: (message) => {
      if (!("address" in (message as object))) told.resolve(message as { ms: number; cpuMs: number });
    },
  });
  return {
    async consume() {
      told = Promise.withResolvers();
      child.send({ group: `g-${newUuid()}` });
      const { ms, cpuMs } = await told.promise;
      return { perSecond: (consumed / ms) * 1000, perCpuSecond: (consumed / cpuMs) * 1000 };
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
