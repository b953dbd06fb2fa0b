import { type RawBuilder, sql, type Transaction } from "kysely";
import { type BatchOptions, inTurn, publishRows, readRows, type Row } from "./batch.ts";
import { everything, type IdRange, Unseen } from "./unseen.ts";

/** How often to read all there is, in milliseconds, in case that ids were drawn in an order that should not be. */
const fullReadMs = 60_000;

/**
 * Relays what it reads in the table, in the order of the ids. It remembers where rows may turn up; a new one begins
 * with a read of the whole table, so make a new one after any failure.
 */
export class TableRelay<Schema> {
  readonly #options: BatchOptions<Schema>;
  readonly #unseen: Unseen;
  #readAllMs = Number.NEGATIVE_INFINITY;

  constructor(options: BatchOptions<Schema>, unseen = new Unseen()) {
    this.#options = options;
    this.#unseen = unseen;
  }

  /** Relays a batch. `isComplete` when there is nothing more to relay. */
  async relay(): Promise<{ readonly published: number; readonly isComplete: boolean }> {
    const { clock, limits } = this.#options;
    const nowMs = clock.monotonic();
    const readsAll = nowMs - this.#readAllMs >= fullReadMs;
    const { rows, isComplete, writers } = await inTurn(this.#options, false, async (transaction) => {
      const found = await readRows(
        transaction,
        inRanges(readsAll ? everything : this.#unseen.ranges, limits.events),
        limits,
      );
      if (found.rows.length === 0 && !this.#unseen.hasGaps) return { ...found, writers: new Set<string>() };
      if (found.rows.length > 0) await publishRows(this.#options, found.rows);
      return { ...found, writers: await deleteRows(transaction, found.rows) };
    });
    // Only now: what is not deleted has to be found again.
    this.#unseen.found({ seen: rows.map(({ id }) => BigInt(id)), isComplete, writers });
    if (readsAll && isComplete) this.#readAllMs = nowMs;
    return { published: rows.length, isComplete };
  }
}

function inRanges(ranges: readonly IdRange[], limit: number): RawBuilder<unknown> {
  return sql`
    select one.*, one.id as place
    from unnest(
      ${ranges.map(({ low }) => String(low))}::bigint[], ${ranges.map(({ high }) => String(high))}::bigint[]
    ) as range (low, high)
    cross join lateral (
      select * from weft_outbox where id between range.low and range.high order by id limit ${limit}
    ) as one`;
}

/** Deletes rows, and tells who else holds the lock that a transaction takes before it draws an id. */
async function deleteRows<Schema>(
  transaction: Transaction<Schema>,
  rows: readonly Row[],
): Promise<ReadonlySet<string>> {
  const { rows: locks } = await sql<{ writer: string }>`
    with gone as (delete from weft_outbox where id = any(${rows.map(({ id }) => id)}::bigint[]))
    select virtualtransaction as writer from pg_locks
    where locktype = 'relation' and mode = 'RowExclusiveLock' and relation = 'weft_outbox'::regclass
      and database = (select oid from pg_database where datname = current_database())
      and pid is distinct from pg_backend_pid()`.execute(transaction);
  return new Set(locks.map(({ writer }) => writer));
}
