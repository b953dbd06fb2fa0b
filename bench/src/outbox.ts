import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "kysely";
import { newUuid, Secret, WeftError } from "@weft/kit";
import { openEmbeddedLocks } from "@weft/lock-embedded";
import { startServer } from "@weft/native";
import { addToOutbox, type OutboxEntry, outboxMigrations, type OutboxRelayKind, runOutboxRelay } from "@weft/outbox";
import type { PubSub } from "@weft/pubsub";
import { openEmbeddedPubSub } from "@weft/pubsub-embedded";
import { openKafkaPubSub } from "@weft/pubsub-kafka";
import type { SqlDatabase } from "@weft/sql";
import { ensureDatabase, openPostgres } from "@weft/sql-postgres";
import { startChild } from "./child.ts";
import { type Benchmark, quantile, type Result } from "./result.ts";

type Database = SqlDatabase<unknown>;

const topic = "bench";
const kinds = ["table", "replication"] as const;
/** Published while a transaction stays open. */
const counted = 200_000;
const writers = 4;
/** Events of a writer's transaction. */
const together = 20;
/** How far the writers are ahead of the relay: it always has something to do. */
const ahead = 10_000;
const perSecond = 500;
/** Until the engines have compiled what runs all the time. */
const warmMs = 10_000;
const latencyMs = 20_000;

function entryOf(key: string, id: string): OutboxEntry {
  return {
    topic,
    key,
    event: {
      id,
      source: "/weft/user",
      type: "weft.event.v1.UserUpdated",
      subject: key,
      time: Date.now(),
      dataContentType: "application/protobuf",
      data: Buffer.alloc(200, 1),
      extensions: { aggregateversion: "1" },
    },
  };
}

interface Servers extends AsyncDisposable {
  readonly dir: string;
  readonly kafkaUrl: string;
  /** A new database with an outbox. */
  freshDatabase(): Promise<Secret>;
}

async function startServers(): Promise<Servers> {
  const stack = new AsyncDisposableStack();
  const dir = await mkdtemp(join(tmpdir(), "weft-bench-outbox-"));
  stack.defer(() => rm(dir, { recursive: true, force: true, maxRetries: 3 }));
  const kafka = stack.use(await startServer("kafka", { dir: join(dir, "kafka") }));
  const postgres = stack.use(await startServer("postgres", { dir: join(dir, "postgres") }));
  let databases = 0;
  return {
    dir,
    kafkaUrl: kafka.url,
    freshDatabase: async () => {
      const url = new URL(postgres.url);
      url.pathname = `/bench_${(databases += 1)}`;
      const secret = new Secret(url.href);
      await ensureDatabase(secret);
      await using database = await openPostgres<unknown>({ url: secret });
      await database.migrate(outboxMigrations);
      return secret;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function alone(name: string, ours: number, unit: string): Result {
  return { name, ours, peer: null, peerName: null, ratio: null, unit };
}

export const relay: Benchmark = {
  name: "relay",
  about: `The outbox relay, a process of its own, from PostgreSQL to Kafka: ${counted.toLocaleString("en")} events of 200 bytes, which ${writers} writers add meanwhile in transactions of ${together}, while a transaction that has added an event itself stays open. Every committed event is then read from Kafka and counted: a missing one fails the run. Growth is that of the relay's resident memory from half of the way to the end.`,
  async run() {
    await using servers = await startServers();
    const results: Result[] = [];
    for (const kind of kinds) results.push(...(await relayRate(servers, kind)));
    return results;
  },
};

async function relayRate(servers: Servers, kind: OutboxRelayKind): Promise<Result[]> {
  await using stack = new AsyncDisposableStack();
  const url = await servers.freshDatabase();
  const database = stack.use(await openPostgres<unknown>({ url, poolSize: writers + 4 }));
  const kafkaUrl = `${servers.kafkaUrl}?namespace=${kind}`;
  const pubsub = stack.use(await openKafkaPubSub({ url: new Secret(kafkaUrl) }));
  await pubsub.ensureTopic(topic);
  let [published, onPublished] = [0, (): void => undefined];
  const child = stack.use(
    await startChild(join(import.meta.dirname, "relay-process.ts"), {
      args: [kind, url.reveal(), kafkaUrl, servers.dir],
      addressOf: (message) => (isObject(message) && "address" in message ? "ready" : undefined),
      onMessage: (message) => {
        if (!isObject(message) || !("published" in message)) return;
        published = Number(message.published);
        onPublished();
      },
    }),
  );
  /** Resolves when that many were published. */
  const reached = (count: number): Promise<void> =>
    new Promise((resolve) => {
      onPublished = () => void (published >= count && resolve());
      onPublished();
    });
  const committed = new Set<string>();
  const write = async (count: number): Promise<void> => {
    const entries = Array.from({ length: count }, () => entryOf(`user-${Math.floor(Math.random() * 500)}`, newUuid()));
    await database.transaction((transaction) => addToOutbox(transaction, entries));
    for (const { event } of entries) committed.add(event.id);
  };

  // Follows the log, or knows the table, before anything else happens.
  await write(1);
  await reached(1);
  const late = await database.kysely.startTransaction().execute();
  const lateEntry = entryOf("late", newUuid());
  await addToOutbox(late, lateEntry);
  // Not idle for so long that the server ends it.
  const awake = setInterval(() => void sql`select 1`.execute(late), 10_000);
  const [begin, before] = [performance.now(), published];
  let isWriting = true;
  const writing = Promise.all(
    Array.from({ length: writers }, async () => {
      while (isWriting) await (committed.size - published > ahead ? sleep(1) : write(together));
    }),
  );
  await reached(before + counted / 2);
  const memory = residentMiB(child.pid);
  await reached(before + counted);
  const rate = ((published - before) / (performance.now() - begin)) * 1000;
  isWriting = false;
  await writing;
  await reached(committed.size);
  const growth = residentMiB(child.pid) - memory;
  clearInterval(awake);
  await late.commit().execute();
  committed.add(lateEntry.event.id);
  await reached(committed.size);
  await countAll(pubsub, committed);
  return [alone(`relay-${kind}`, rate, "events/s"), alone(`relay-${kind}-growth`, growth, "MiB")];
}

/** Reads the topic from its start until all have come; fails when one does not. */
async function countAll(pubsub: PubSub, ids: ReadonlySet<string>): Promise<void> {
  const seen = new Set<string>();
  const all = Promise.withResolvers<void>();
  const handle = async ({ event }: { readonly event: { readonly id: string } }): Promise<void> => {
    seen.add(event.id);
    if (seen.size >= ids.size) all.resolve();
  };
  await using _ = await pubsub.subscribe({ group: newUuid(), topics: [topic], start: "earliest", handle });
  await Promise.race([all.promise, sleep(60_000)]);
  const missing = [...ids].filter((id) => !seen.has(id)).length;
  if (missing > 0) throw new Error(`${missing} of ${ids.size} events were skipped`);
}

export const eventLatency: Benchmark = {
  name: "event-latency",
  about: `From the answer to a commit to the handler of a consumer, at ${perSecond} events a second in transactions of one: through the outbox of PostgreSQL, by each of its relays, and Kafka or the embedded publish/subscribe. Writer, relay and consumer are one process. ${latencyMs / 1000} s are measured after ${warmMs / 1000} s of the same load.`,
  async run() {
    await using servers = await startServers();
    const results: Result[] = [];
    for (const to of ["kafka", "embedded"] as const) {
      for (const kind of kinds) {
        await using stack = new AsyncDisposableStack();
        const dataDir = join(servers.dir, `${to}-${kind}`);
        const url = new Secret(`${servers.kafkaUrl}?namespace=latency-${kind}`);
        const pubsub = stack.use(await (to === "kafka" ? openKafkaPubSub({ url }) : openEmbeddedPubSub({ dataDir })));
        const database = stack.use(await openPostgres<unknown>({ url: await servers.freshDatabase() }));
        const waits = await latencies(database, pubsub, kind, dataDir);
        const name = `event-latency-${to}-${kind}`;
        results.push(
          alone(`${name}-p50`, quantile(waits, 0.5), "ms"),
          alone(`${name}-p99`, quantile(waits, 0.99), "ms"),
        );
      }
    }
    return results;
  },
};

async function latencies(
  database: Database,
  pubsub: PubSub,
  kind: OutboxRelayKind,
  dataDir: string,
): Promise<number[]> {
  await using stack = new AsyncDisposableStack();
  await pubsub.ensureTopic(topic);
  const locks = stack.use(await openEmbeddedLocks({ dataDir }));
  const stop = new AbortController();
  const relaying = runOutboxRelay({ sql: database, pubsub, locks, kind, signal: stop.signal });
  stack.defer(async () => {
    stop.abort();
    await relaying;
  });
  const [committed, handled] = [new Map<string, number>(), new Map<string, number>()];
  const handle = async ({ event }: { readonly event: { readonly id: string } }): Promise<void> => {
    handled.set(event.id, performance.now());
  };
  stack.use(await pubsub.subscribe({ group: "latency", topics: [topic], start: "earliest", handle }));
  const begin = performance.now();
  const events = (perSecond * (warmMs + latencyMs)) / 1000;
  const write = async (at: number): Promise<void> => {
    const id = newUuid();
    await database.transaction((transaction) => addToOutbox(transaction, entryOf(`user-${at % 500}`, id)));
    committed.set(id, performance.now());
  };
  let failure: WeftError | undefined;
  for (let at = 0; at < events; at += 1) {
    await sleep(Math.max(0, begin + (at * 1000) / perSecond - performance.now()));
    write(at).catch((error: unknown) => (failure = WeftError.from(error)));
  }
  for (let wait = 0; committed.size < events || handled.size < events; wait += 1) {
    if (failure !== undefined) throw failure;
    if (wait > 3000) throw new Error(`${events - handled.size} events did not come`);
    await sleep(10);
  }
  const measured = [...committed].slice((perSecond * warmMs) / 1000);
  return measured.map(([id, since]) => (handled.get(id) ?? Infinity) - since);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function residentMiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}
