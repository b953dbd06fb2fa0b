import { type RawBuilder, sql, type Transaction } from "kysely";
import type { InsertLogReader } from "@weft/sql";
import { type BatchOptions, inTurn, publishRows, readRows } from "./batch.ts";

/**
 * Relays in the order of the commits, as the server's log has it. The log says which row is next, the table whether it is
 * still to be published: a row that is gone was.
 */
export class LogRelay<Schema> {
  readonly #options: BatchOptions<Schema>;
  readonly #log: InsertLogReader;

  constructor(options: BatchOptions<Schema>, log: InsertLogReader) {
    this.#options = options;
    this.#log = log;
  }

  /** Waits for commits and relays them; answers how many events. */
  async relay(signal: AbortSignal): Promise<number> {
    const { values, position } = await this.#log.read(this.#options.limits.events, signal);
    const published = values.length === 0 ? 0 : await this.#publish(values);
    // Only now: the server may forget it.
    if (position !== undefined) this.#log.confirm(position);
    return published;
  }

  #publish(ids: readonly string[]): Promise<number> {
    // Durable: what is confirmed is not read again, and would stay in the table.
    return inTurn(this.#options, true, async (transaction) => {
      let published = 0;
      for (let left = ids; left.length > 0;) {
        const { rows, isComplete } = await this.#read(transaction, left);
        const last = rows.at(-1);
        if (last === undefined) break;
        await publishRows(this.#options, rows);
        await sql`delete from weft_outbox where id = any(${rows.map(({ id }) => id)}::bigint[])`.execute(transaction);
        published += rows.length;
        if (isComplete) break;
        left = left.slice(left.indexOf(last.id) + 1);
      }
      return published;
    });
  }

  /** A row that is not found was published, or its commit is so fresh that it can't be seen yet. */
  async #read(transaction: Transaction<Schema>, ids: readonly string[]): ReturnType<typeof readRows> {
    const found = await readRows(transaction, listed(ids), this.#options.limits);
    const looked = found.isComplete ? ids.length : ids.indexOf(found.rows.at(-1)?.id ?? "") + 1;
    if (found.rows.length === looked) return found;
    await this.#log.settled();
    return readRows(transaction, listed(ids), this.#options.limits);
  }
}

function listed(ids: readonly string[]): RawBuilder<unknown> {
  return sql`
    select one.*, logged.place
    from unnest(${ids}::bigint[]) with ordinality as logged (id, place)
    cross join lateral (select * from weft_outbox where id = logged.id limit 1) as one`;
}
