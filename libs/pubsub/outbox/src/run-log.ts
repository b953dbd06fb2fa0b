import { FailureLog, isWeftError, WeftError } from "@weft/kit";
import { LogRelay } from "./log-relay.ts";
import type { RelayRun } from "./relay.ts";
import { channel, insertLog } from "./table.ts";
import { TableRelay } from "./table-relay.ts";
import { Wake } from "./wake.ts";

/** How often to look how far behind the log's reader is, in milliseconds. */
const lagCheckMs = 30_000;

/** Relays what the log says until the signal aborts; makes the log where there is none. Rejects at the first failure. */
export async function runLogRelay<Schema>(run: RelayRun<Schema>): Promise<void> {
  try {
    await followLog(run);
  } catch (error) {
    if (!isWeftError(error) || error.reason !== "NOT_FOUND") throw error;
    run.log.info({ err: error }, "a new log of the outbox is made; until then its table is read");
    await makeLog(run);
  }
}

async function followLog<Schema>(run: RelayRun<Schema>): Promise<void> {
  const { sql: database, signal } = run;
  await using stack = new AsyncDisposableStack();
  const log = stack.use(await database.insertLogs.open(insertLog));
  const end = new AbortController();
  const watching = watchLag(run, AbortSignal.any([signal, end.signal]));
  stack.defer(() => {
    end.abort();
    return watching;
  });
  const relay = new LogRelay(run, log);
  while (!signal.aborted) run.worked(await relay.relay(signal));
}

/**
 * A log begins when every transaction that is open now has ended, which may take long: the table is relayed meanwhile.
 * The log counts once everything that was committed before it began is published.
 */
async function makeLog<Schema>(run: RelayRun<Schema>): Promise<void> {
  const { sql: database, signal, pollMs, clock } = run;
  const wake = new Wake(clock);
  await using _listening = await database.listen(channel, () => wake.now());
  const relay = new TableRelay(run);
  const end = new AbortController();
  const rest = Promise.withResolvers<void>();
  let [isBegun, isOver] = [false, false];
  const onBegun = (): Promise<void> => {
    isBegun = true;
    wake.now();
    return rest.promise;
  };
  const making = database.insertLogs.make(insertLog, onBegun, AbortSignal.any([signal, end.signal])).finally(() => {
    isOver = true;
    wake.now();
  });
  making.catch(() => undefined);
  try {
    while (!isOver && !signal.aborted) {
      wake.clear();
      const hadBegun = isBegun;
      const { published, isComplete } = await relay.relay();
      run.worked(published);
      if (!isComplete) continue;
      if (hadBegun) rest.resolve();
      await wake.wait(pollMs, signal);
    }
  } finally {
    end.abort();
    rest.promise.catch(() => undefined);
    rest.reject(new WeftError("CANCELLED", "the table was not relayed"));
    await making.catch(() => undefined);
  }
  await making;
}

async function watchLag<Schema>(run: RelayRun<Schema>, signal: AbortSignal): Promise<void> {
  const { sql: database, maxRetainedBytes, log, clock } = run;
  const behind = new FailureLog(log, {
    began:
      "the server keeps much of its log for the outbox: the relay is slow, or a transaction has been open for long",
    ended: "the server keeps little of its log for the outbox again",
  });
  while (!signal.aborted) {
    // While the server can't be asked, the relay has something to say itself.
    const lag = await database.insertLogs.lag(insertLog.name).catch(() => undefined);
    if (lag !== undefined) {
      run.onRetained(lag.retainedBytes);
      if (lag.retainedBytes > maxRetainedBytes) behind.failed(undefined, lag);
      else behind.worked(lag);
    }
    await clock.sleep(lagCheckMs, signal).catch(() => undefined);
  }
}
