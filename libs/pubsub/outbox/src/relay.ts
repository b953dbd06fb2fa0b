import { sql } from "kysely";
import { backoffMs, type Clock, FailureLog, type Log, silentLog, systemClock, WeftError, withTimeout } from "@weft/kit";
import { type Locks, runAsLeader } from "@weft/lock";
import type { CloudEvent, KeyedEvent, PubSub } from "@weft/pubsub";
import type { SqlDatabase } from "@weft/sql";
import { channel } from "./table.ts";

export interface OutboxRelayOptions<Schema = unknown> {
  /** The database that {@link outboxMigrations} ran on. */
  readonly sql: Pick<SqlDatabase<Schema>, "transaction" | "listen">;
  readonly pubsub: Pick<PubSub, "publish">;
  /** One of the replicas relays; another takes over within a TTL of its death. */
  readonly locks: Locks;
  /** Name of the lock; another one for each database. Default `outbox`. */
  readonly name?: string;
  readonly signal: AbortSignal;
  /** Most events of one turn. Default 500. */
  readonly batchSize?: number;
  /** How often to look without having been woken, in milliseconds. Default 5,000. */
  readonly pollMs?: number;
  /** Limit of publishing a batch, in milliseconds. Default 30,000. */
  readonly publishTimeoutMs?: number;
  /** TTL of the leadership, in milliseconds. Default 5,000. */
  readonly ttlMs?: number;
  readonly log?: Log;
  readonly clock?: Clock;
}

/**
 * Publishes what is in the outbox, until `signal` aborts. Run it in every replica: one of them works.
 *
 * At least once: an event is deleted after it was published, in the transaction that read it, so a crash in between
 * publishes it again. Events of one key keep their order. Woken by the commit of a transaction that added events.
 */
export async function runOutboxRelay<Schema>(options: OutboxRelayOptions<Schema>): Promise<void> {
  const { locks, name = "outbox", signal, ttlMs = 5000, log = silentLog, clock = systemClock } = options;
  await runAsLeader(locks, name, (_lease, leading) => relay({ ...options, signal: leading, log, clock }), {
    signal,
    ttlMs,
    backoff: { maxMs: maxPauseMs },
    log,
    clock,
  });
}

/** Longest pause after a failure, in milliseconds: how late the first event is when what was away is back. */
const maxPauseMs = 2000;

type RelayOptions<Schema> = OutboxRelayOptions<Schema> & { readonly log: Log; readonly clock: Clock };

async function relay<Schema>(options: RelayOptions<Schema>): Promise<void> {
  const { signal, clock, log, batchSize = 500, pollMs = 5000 } = options;
  const wake = new Wake(clock);
  await using stack = new AsyncDisposableStack();
  let isListening = false;
  const outage = new FailureLog(log, { began: "events wait in the outbox", ended: "the outbox is relayed again" });
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (!isListening) stack.use(await options.sql.listen(channel, () => wake.now()));
      isListening = true;
      wake.clear();
      const published = await relayBatch(options, batchSize);
      failures = 0;
      outage.worked();
      if (published < batchSize) await wake.wait(pollMs, signal);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      outage.failed(error);
      await clock.sleep(backoffMs(failures, { maxMs: maxPauseMs }), signal).catch(() => undefined);
    }
  }
}

interface Row {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly attributes: Omit<CloudEvent, "data">;
  readonly data: Buffer;
}

/** Number of events published. */
async function relayBatch<Schema>(options: RelayOptions<Schema>, batchSize: number): Promise<number> {
  const { pubsub, publishTimeoutMs = 30_000, clock } = options;
  return options.sql.transaction(async (transaction) => {
    // A leader that lost its lease without knowing yet may still be publishing: its successor waits for it here.
    const lock = await sql<{ mine: boolean }>`
      select pg_try_advisory_xact_lock(hashtext(${channel})) as mine`.execute(transaction);
    if (lock.rows[0]?.mine !== true) throw new WeftError("UNAVAILABLE", "the former relay is still publishing");
    const { rows } = await sql<Row>`
      select id, topic, key, attributes, data from weft_outbox order by id limit ${batchSize}`.execute(transaction);
    if (rows.length === 0) return 0;
    // To its end, whatever is being stopped: a batch that is given up half-way would be published again.
    await withTimeout(() => publish(pubsub, rows), { timeoutMs: publishTimeoutMs, what: "publishing events", clock });
    await sql`delete from weft_outbox where id = any(${rows.map((row) => row.id)}::bigint[])`.execute(transaction);
    return rows.length;
  });
}

async function publish(pubsub: Pick<PubSub, "publish">, rows: readonly Row[]): Promise<void> {
  const byTopic = Map.groupBy(rows, (row) => row.topic);
  for (const [topic, ofTopic] of byTopic) {
    const events = ofTopic.map(({ key, attributes, data }): KeyedEvent => ({ key, event: { ...attributes, data } }));
    await pubsub.publish(topic, events);
  }
}

/** A sleep that is cut short by what happened since `clear`. */
class Wake {
  readonly #clock: Clock;
  #awake = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): void {
    this.#awake.abort();
  }

  clear(): void {
    if (this.#awake.signal.aborted) this.#awake = new AbortController();
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    const cut = AbortSignal.any([signal, this.#awake.signal]);
    await this.#clock.sleep(ms, cut).catch(() => undefined);
  }
}
