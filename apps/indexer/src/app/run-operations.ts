import { backoffMs, FailureLog, isWeftError, type Log, WeftError } from "@weft/kit";
import type { ReindexOptions, ReindexProgress } from "@weft/search";
import type { Operation } from "../domain/operation.ts";
import type { StoredOperation } from "../store/operations.ts";
import type { ReindexContext } from "./reindex.ts";
import { UsersIndexRenewal } from "./users-index.ts";

/** How often it is looked for operations that another replica took in, in milliseconds. */
const lookMs = 1000;
/** How often progress is written down, in milliseconds. */
const noteMs = 1000;
/** Operations at the same time. */
const maxActive = 4;
/** Times that one is begun. */
const maxAttempts = 10;
const betweenAttempts = { initialMs: 1000, maxMs: 30_000 };

export interface RunContext extends ReindexContext {
  readonly log: Log;
}

/**
 * Does what operations ask for, until the signal aborts. For one process at a time: what an earlier one left undone is
 * begun anew. Should that one still be at it, the engine lets the last to begin go on, and the state of an operation is
 * written over what was read only.
 */
export async function runOperations(context: RunContext, signal: AbortSignal): Promise<void> {
  const { operations, clock, log } = context;
  const active = new Map<string, Promise<void>>();
  const outage = new FailureLog(log, {
    began: "operations can't be looked for",
    ended: "operations are looked for again",
  });
  const renewal = new UsersIndexRenewal(context);
  while (!signal.aborted) {
    try {
      await renewal.look();
      for (const id of await operations.running()) {
        if (active.size >= maxActive) break;
        if (!active.has(id))
          active.set(
            id,
            run(context, id, signal).finally(() => {
              active.delete(id);
              renewal.lookAgain();
            }),
          );
      }
      outage.worked();
    } catch (error) {
      outage.failed(error);
    }
    await clock.sleep(lookMs, signal).catch(() => undefined);
  }
  await Promise.all(active.values());
}

/** One operation, to its end or until the signal aborts. Never rejects: what was not written down is begun anew. */
async function run(context: RunContext, id: string, signal: AbortSignal): Promise<void> {
  const { operations, clock, log } = context;
  try {
    let stored = await operations.find(id);
    while (stored !== undefined && stored.operation.endTime === undefined) {
      const { index } = stored.operation;
      const attempts = stored.operation.attempts + 1;
      stored = await operations.save(stored, { ...stored.operation, attempts, processed: 0, total: 0 });
      const { error, ...after } = await attempt(context, stored, signal);
      ({ stored } = after);
      // Whoever goes on begins it anew.
      if (error !== undefined && signal.aborted) return;
      if (error?.retryable === true && attempts < maxAttempts) {
        log.warn({ err: error, operation: id, index }, "a reindex failed, and is begun anew");
        await clock.sleep(backoffMs(attempts, betweenAttempts), signal);
        continue;
      }
      await operations.end(stored, { ...stored.operation, ...endOf(error), endTime: clock.now() });
      if (error === undefined) log.info({ operation: id, index }, "a reindex has ended");
      else log.warn({ err: error, operation: id, index }, "a reindex has failed");
      return;
    }
  } catch (err) {
    if (!signal.aborted) log.warn({ err, operation: id }, "an operation could not be written down");
  }
}

interface Outcome {
  readonly stored: StoredOperation;
  readonly error: WeftError | undefined;
}

/** One try. Its progress is written down as it goes. */
async function attempt(context: RunContext, begun: StoredOperation, signal: AbortSignal): Promise<Outcome> {
  const { operations, clock, engine } = context;
  const { index, definition } = begun.operation;
  let stored = begun;
  let notedAt = -Infinity;
  const onProgress = async (progress: ReindexProgress): Promise<void> => {
    if (clock.monotonic() - notedAt < noteMs) return;
    notedAt = clock.monotonic();
    try {
      stored = await operations.save(stored, { ...stored.operation, ...progress });
    } catch (error) {
      // Somebody else is at it. Otherwise the store is away for a moment, and the work need not wait for it.
      if (isWeftError(error, "ETAG_MISMATCH")) throw error;
    }
  };
  const options: ReindexOptions = { signal, onProgress, ...(definition && { definition }) };
  try {
    const { documentCount } = await engine.reindex(index, options);
    const operation: Operation = { ...stored.operation, processed: documentCount, total: documentCount };
    return { stored: { ...stored, operation }, error: undefined };
  } catch (error) {
    return { stored, error: WeftError.from(error) };
  }
}

function endOf(error: WeftError | undefined): Pick<Operation, "error"> {
  return error === undefined ? {} : { error: { reason: error.reason, detail: error.message } };
}
