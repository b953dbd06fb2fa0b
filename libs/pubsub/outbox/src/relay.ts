import { backoffMs, type Clock, FailureLog, isWeftError, type Log, silentLog, systemClock } from "@weft/kit";
import { type Locks, runAsLeader } from "@weft/lock";
import type { PubSub } from "@weft/pubsub";
import type { SqlDatabase } from "@weft/sql";
import type { BatchOptions } from "./batch.ts";
import { runLogRelay } from "./run-log.ts";
import { runTableRelay } from "./run-table.ts";
import { insertLog } from "./table.ts";

/** How a relay learns what to publish: it reads the table, or follows the server's log by logical replication. */
export type OutboxRelayKind = "table" | "replication";

export interface OutboxRelayOptions<Schema = unknown> {
  /** The database that {@link outboxMigrations} ran on. */
  readonly sql: Pick<SqlDatabase<Schema>, "transaction" | "listen" | "insertLogs">;
  readonly pubsub: Pick<PubSub, "publish">;
  /** One of the replicas relays; another takes over within a TTL of its death. */
  readonly locks: Locks;
  /** Name of the lock; another one for each database. Default `outbox`. */
  readonly name?: string;
  readonly signal: AbortSignal;
  /** Default `table`. Changing it loses nothing, not even while replicas of both kinds run. */
  readonly kind?: OutboxRelayKind;
  /** Most events of one turn. Default 1,000. */
  readonly batchSize?: number;
  /** Most bytes of events of one turn, and so about what it keeps in memory; a larger event goes alone. Default 4 MiB. */
  readonly batchBytes?: number;
  /** How often to look without having been woken, in milliseconds. Default 5,000. */
  readonly pollMs?: number;
  /** Limit of publishing a batch, in milliseconds. Default 30,000. */
  readonly publishTimeoutMs?: number;
  /** TTL of the leadership, in milliseconds. Default 5,000. */
  readonly ttlMs?: number;
  /** With `replication`: a warning when the server keeps more than this of its log for the relay, in bytes. Default 512 MiB. */
  readonly maxRetainedBytes?: number;
  /** Called after each batch, with the number of its events. */
  readonly onPublished?: (events: number) => void;
  /** With `replication`: called every half minute with what the server keeps of its log for the relay, in bytes. */
  readonly onRetained?: (bytes: number) => void;
  readonly log?: Log;
  readonly clock?: Clock;
}

/** The options with their defaults, of one leadership. */
export interface RelayRun<Schema> extends BatchOptions<Schema> {
  readonly sql: OutboxRelayOptions<Schema>["sql"];
  /** Aborts when the leadership ends. */
  readonly signal: AbortSignal;
  readonly pollMs: number;
  readonly maxRetainedBytes: number;
  readonly onRetained: (bytes: number) => void;
  readonly log: Log;
  /** To be called after each turn, with the number of events that it published. */
  readonly worked: (events: number) => void;
}

/** Longest pause after a failure, in milliseconds: how late the first event is when what was away is back. */
const maxPauseMs = 2000;

/**
 * Publishes what is in the outbox, until `signal` aborts. Run it in every replica: one of them works.
 *
 * At least once: an event is deleted in the transaction that publishes it, so a crash in between publishes it again.
 * Events of one key keep their order. The relay `table` is woken by the commit of a transaction that added events, and
 * publishes in the order of their ids; `replication` publishes in the order of the commits.
 *
 * Rejects with `FAILED_PRECONDITION` when `replication` is asked of a server or a user that can't; gets over all else.
 */
export async function runOutboxRelay<Schema>(options: OutboxRelayOptions<Schema>): Promise<void> {
  const { kind = "table", locks, name = "outbox", signal, ttlMs = 5000 } = options;
  const { log = silentLog, clock = systemClock } = options;
  if (kind === "replication") await checkReplication(options);
  const work = kind === "table" ? runTableRelay : runLogRelay;
  await runAsLeader(locks, name, (_lease, leading) => keepRelaying(work, options, leading), {
    signal,
    ttlMs,
    backoff: { maxMs: maxPauseMs },
    log,
    clock,
  });
}

/** A server that is away now may be able to: the relay finds out later. */
async function checkReplication<Schema>({ sql: database }: OutboxRelayOptions<Schema>): Promise<void> {
  await database.insertLogs.prepare(insertLog).catch((error: unknown) => {
    if (isWeftError(error) && error.reason === "FAILED_PRECONDITION") throw error;
  });
}

/** Runs `work` again after each failure, which starts it with what is in the table and in the log. */
async function keepRelaying<Schema>(
  work: (run: RelayRun<Schema>) => Promise<void>,
  options: OutboxRelayOptions<Schema>,
  signal: AbortSignal,
): Promise<void> {
  const { log = silentLog, clock = systemClock, onPublished = () => undefined } = options;
  const outage = new FailureLog(log, { began: "events wait in the outbox", ended: "the outbox is relayed again" });
  let failures = 0;
  const run: RelayRun<Schema> = {
    sql: options.sql,
    pubsub: options.pubsub,
    limits: { events: options.batchSize ?? 1000, bytes: options.batchBytes ?? 4 * 1024 * 1024 },
    publishTimeoutMs: options.publishTimeoutMs ?? 30_000,
    pollMs: options.pollMs ?? 5000,
    maxRetainedBytes: options.maxRetainedBytes ?? 512 * 1024 * 1024,
    onRetained: options.onRetained ?? (() => undefined),
    signal,
    log,
    clock,
    worked: (events) => {
      failures = 0;
      outage.worked();
      if (events > 0) onPublished(events);
    },
  };
  while (!signal.aborted) {
    try {
      await work(run);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      outage.failed(error);
      await clock.sleep(backoffMs(failures, { maxMs: maxPauseMs }), signal).catch(() => undefined);
    }
  }
}
