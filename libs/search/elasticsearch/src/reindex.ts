import { isWeftError, throwIfAborted, WeftError } from "@weft/kit";
import { checkReindex, type IndexInfo, Misfits, type ReindexOptions } from "@weft/search";
import type { Catalog, IndexEntry } from "./catalog.ts";
import { Copier, sliceSize } from "./copy.ts";
import type { Server } from "./server.ts";
import { block, discard, isBlocked, release, removeIndexes, removeUnread, replace, unblock } from "./siblings.ts";
import type { WriteContext } from "./write.ts";

/** Rounds of catching up with writers; then they wait for the rest. */
const maxRounds = 20;
/** Tries to end other work on an index, whose processes may be removing what they made at the same moment. */
const maxReleases = 3;
/** Times that writes are held up again after the swap. */
const maxRepairs = 3;

export interface ReindexContext extends WriteContext {
  readonly catalog: Catalog;
}

/** An index that has been put in the place of another. */
export interface Replacement {
  readonly live: IndexEntry;
  readonly info: IndexInfo;
}

/**
 * Builds an index anew beside the live one and puts it in its place (law F13). Writers need not know: what they wrote
 * meanwhile is copied after them, round by round. When little is left the old index is blocked for writes, for as long as
 * the last round and the swap of the alias take; writers that meet the block wait for it (`applyToLive`).
 *
 * The new index is the lease of the work: whoever removes it ends the work, since nothing can be put in place that is not
 * there. So does a later reindex, and a writer that has waited too long.
 */
export async function reindex(context: ReindexContext, index: string, options: ReindexOptions): Promise<Replacement> {
  const { catalog, server } = context;
  throwIfAborted(options.signal);
  catalog.forget(index);
  const live = await catalog.get(index);
  const definition = checkReindex(live.definition, options.definition);
  await removeUnread(server, live);
  const build = await catalog.createBeside(live, definition);
  const misfits = new Misfits();
  const copier = new Copier(context, { from: live, to: build, misfits, signal: options.signal });
  let documentCount = 0;
  try {
    // After the index was made: of two that do this at once, no more than one goes on.
    await endOthers(server, { live, build });
    documentCount = await copy(context, { live, build, copier, misfits }, options);
    await replace(server, live, build.target);
  } catch (error) {
    await undo(
      context,
      { live, build },
      options.signal?.aborted === true ? WeftError.from(options.signal.reason) : error,
    );
  }
  await repair(server, live, copier).catch((error: unknown) => {
    // Deleted already.
    if (!isWeftError(error, "NOT_FOUND")) throw error;
  });
  catalog.forget(index);
  return { live: build, info: { definition, createTime: build.createTime, documentCount } };
}

interface Work {
  readonly live: IndexEntry;
  readonly build: IndexEntry;
}

interface Copying extends Work {
  readonly copier: Copier;
  readonly misfits: Misfits;
}

async function endOthers(server: Server, { live, build }: Work): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await release(server, live, build.target);
    } catch (error) {
      if (!isWeftError(error, "NOT_FOUND") || attempt === maxReleases) throw error;
    }
  }
}

/** Copies everything, the last of it while nobody writes; how many documents there are then. */
async function copy(
  context: ReindexContext,
  { live, build, copier, misfits }: Copying,
  options: ReindexOptions,
): Promise<number> {
  const { onProgress = () => undefined, signal } = options;
  const { server } = context;
  const total = await context.catalog.count(live.target);
  let processed = 0;
  const tell = async (): Promise<void> => {
    await onProgress({ processed, total });
    throwIfAborted(signal);
  };
  await tell();
  await copier.round(async (documents) => {
    processed += documents;
    await tell();
  });
  for (let round = 0, copied = sliceSize; copied >= sliceSize && round < maxRounds; round += 1) {
    copied = await copier.round(tell);
  }
  misfits.check();
  await block(server, live.target);
  await copier.settled();
  await copier.round(async () => throwIfAborted(signal));
  misfits.check();
  const count = await context.catalog.count(build.target);
  // Who wanted to end an earlier reindex may come late, and let writes through that nobody would copy.
  if (await isBlocked(server, live.target)) return count;
  throw new WeftError("CONFLICT", `another process has let writes to ${live.target} through`);
}

/**
 * After the swap: copies what was written to the old index in the moment before it, should somebody have let writes
 * through then. Late as it is, it takes the place of nothing newer.
 */
async function repair(server: Server, { target }: IndexEntry, copier: Copier): Promise<void> {
  for (let repairs = 0; repairs < maxRepairs && !(await isBlocked(server, target)); repairs += 1) {
    await block(server, target);
    await copier.settled();
    await copier.round(async () => undefined);
  }
}

/** After a failure: leaves all as it was and rejects; resolves if the new index has been put in place nevertheless. */
async function undo({ catalog, server }: ReindexContext, { live, build }: Work, error: unknown): Promise<void> {
  const { index } = live.definition;
  try {
    await discard(server, live, [build.target]);
    await unblock(server, live.target);
  } catch (failure) {
    // Elasticsearch is away: writers let themselves through, and the next reindex removes what is left.
    if (!isWeftError(failure, "NOT_FOUND")) throw error;
    catalog.forget(index);
    const now = await catalog.get(index).catch((gone: unknown) => {
      if (!isWeftError(gone, "NOT_FOUND")) throw error;
    });
    if (now?.target === build.target) return;
    // What was to be replaced is no longer there: nothing can put the new index in place any more.
    if (now?.target !== live.target) await removeIndexes(server, [build.target]);
    if (isWeftError(error, "CANCELLED")) throw error;
    if (now === undefined)
      throw new WeftError("NOT_FOUND", `the index ${index} was deleted meanwhile`, { cause: error });
    throw new WeftError("CONFLICT", `another reindex of ${index} has begun, or the index was made anew`, {
      cause: error,
    });
  }
  // Another process has removed an index that this one was about to.
  if (!isWeftError(error, "NOT_FOUND")) throw error;
  throw new WeftError("CONFLICT", `another reindex of ${index} was under way`, { cause: error });
}
