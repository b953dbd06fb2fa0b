import { type RawBuilder, sql, type Transaction } from "kysely";
import { type Clock, WeftError, withTimeout } from "@weft/kit";
import type { CloudEvent, KeyedEvent, PubSub } from "@weft/pubsub";
import type { SqlDatabase } from "@weft/sql";
import { channel } from "./table.ts";

/** Limits of what is published in one transaction; the first event goes however large it is. */
export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
}

/** What both relays need to publish a batch. */
export interface BatchOptions<Schema> {
  readonly sql: Pick<SqlDatabase<Schema>, "transaction">;
  readonly pubsub: Pick<PubSub, "publish">;
  readonly limits: BatchLimits;
  readonly publishTimeoutMs: number;
  readonly clock: Clock;
}

/** An event of the outbox. */
export interface Row {
  readonly id: string;
  readonly topic: string;
  readonly key: string;
  readonly attributes: Omit<CloudEvent, "data">;
  readonly data: Buffer;
}

/**
 * Runs the one transaction that may publish: what it reads, publishes and deletes is gone when it commits, and waits for
 * the next one otherwise. `UNAVAILABLE` while another one runs: a leader that lost its lease without knowing yet may
 * still be publishing, and its successor must not overtake it.
 *
 * With `isDurable` false a server that crashes may forget a commit of the last moment, so that its events are published
 * again; the disk is not waited for.
 */
export function inTurn<Schema, T>(
  { sql: database }: Pick<BatchOptions<Schema>, "sql">,
  isDurable: boolean,
  work: (transaction: Transaction<Schema>) => Promise<T>,
): Promise<T> {
  return database.transaction(async (transaction) => {
    // Deleted rows stay where they were while a transaction is open: only ever look where the index says.
    const { rows } = await sql<{ mine: boolean }>`
      select pg_try_advisory_xact_lock(hashtext(${channel})) as mine, set_config('enable_seqscan', 'off', true),
        set_config('synchronous_commit', ${isDurable ? "on" : "off"}, true)`.execute(transaction);
    if (rows[0]?.mine !== true) throw new WeftError("UNAVAILABLE", "the former relay is still publishing");
    return work(transaction);
  });
}

/**
 * Reads the first rows of a query, within the limits. The query yields the table's columns and `place`, their order;
 * `isComplete` says that it has no more.
 */
export async function readRows<Schema>(
  transaction: Transaction<Schema>,
  query: RawBuilder<unknown>,
  limits: BatchLimits,
): Promise<{ readonly rows: readonly Row[]; readonly isComplete: boolean }> {
  const { rows } = await sql<Row & { readonly found: number }>`
    with found as (select * from (${query}) as wanted order by place limit ${limits.events}),
      sized as (
        select *, sum(octet_length(data)) over (order by place) - octet_length(data) as bytes_before from found
      )
    select id, topic, key, attributes, data, (select count(*)::int from found) as found
    from sized where bytes_before < ${limits.bytes} order by place`.execute(transaction);
  const found = rows[0]?.found ?? 0;
  return { rows, isComplete: found < limits.events && found === rows.length };
}

/** To its end, whatever is being stopped: a batch that is given up half-way would be published again. */
export async function publishRows<Schema>(options: BatchOptions<Schema>, rows: readonly Row[]): Promise<void> {
  const { pubsub, publishTimeoutMs: timeoutMs, clock } = options;
  await withTimeout(
    async (signal) => {
      for (const [topic, ofTopic] of Map.groupBy(rows, (row) => row.topic)) {
        signal.throwIfAborted();
        await pubsub.publish(topic, ofTopic.map(keyedEvent));
      }
    },
    { timeoutMs, what: "publishing events", clock },
  );
}

function keyedEvent({ key, attributes, data }: Row): KeyedEvent {
  return { key, event: { ...attributes, data } };
}
