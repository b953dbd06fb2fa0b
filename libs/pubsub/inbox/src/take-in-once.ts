import { sql, type Transaction } from "kysely";
import type { SqlDatabase } from "@weft/sql";
import { identityOf, type Intake, rememberMs } from "./intake.ts";

/**
 * Records an event in the transaction of its effect, before the effect: true for the one that is to have it, false for
 * an event that was taken in, which is then to change nothing. Record and effect commit together or not at all.
 *
 * Of two deliveries at the same time the second waits for the end of the first's transaction: false when that committed,
 * true when it rolled back. Under `repeatable read` and `serializable` it is the transaction that is run again. A wait
 * over the pool's limits is `DEADLINE_EXCEEDED`, which leaves the event to be delivered again.
 *
 * A replay changes nothing either. To have events take effect again, delete their group's rows first.
 */
export async function takeInOnce<Schema>(transaction: Transaction<Schema>, { group, event }: Intake): Promise<boolean> {
  const { numAffectedRows } = await sql`
    insert into weft_inbox (consumer, event) values (${group}, ${identityOf(event)})
    on conflict do nothing`.execute(transaction);
  return numAffectedRows === 1n;
}

/** Records of one statement: few enough that nobody waits for it. */
const batchSize = 10_000;

/**
 * Removes the records of what was taken in longer ago than `olderThanMs` (milliseconds, default {@link rememberMs}), by
 * the database's clock. For a service's clean-up, every hour or so, in any number of replicas. Answers how many.
 */
export async function forgetTakenIn<Schema>(
  database: Pick<SqlDatabase<Schema>, "kysely">,
  { olderThanMs = rememberMs }: { readonly olderThanMs?: number } = {},
): Promise<number> {
  let forgotten = 0;
  for (;;) {
    const { numAffectedRows = 0n } = await sql`
      delete from weft_inbox where ctid = any(array(
        select ctid from weft_inbox where taken_in < now() - make_interval(secs => ${olderThanMs / 1000})
        limit ${batchSize} for update skip locked))`.execute(database.kysely);
    forgotten += Number(numAffectedRows);
    if (numAffectedRows < batchSize) return forgotten;
  }
}
