import { FailureLog } from "@weft/kit";
import type { RelayRun } from "./relay.ts";
import { channel, insertLog } from "./table.ts";
import { TableRelay } from "./table-relay.ts";
import { Wake } from "./wake.ts";

/** Relays what is in the table until the signal aborts; rejects at the first failure. */
export async function runTableRelay<Schema>(run: RelayRun<Schema>): Promise<void> {
  const { sql: database, signal, pollMs, log, clock } = run;
  const wake = new Wake(clock);
  await using _listening = await database.listen(channel, () => wake.now());
  const relay = new TableRelay(run);
  const dropping = new FailureLog(log, {
    began: "the log of the relay `replication` can't be dropped yet, and the server keeps what nobody reads",
    ended: "the log of the relay `replication` is dropped",
  });
  let isDropped = false;
  while (!signal.aborted) {
    wake.clear();
    const { published, isComplete } = await relay.relay();
    run.worked(published);
    if (!isComplete) continue;
    try {
      if (!isDropped) await database.insertLogs.drop(insertLog.name);
      isDropped = true;
      dropping.worked();
    } catch (error) {
      dropping.failed(error);
    }
    await wake.wait(pollMs, signal);
  }
}
