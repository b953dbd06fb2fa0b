import { backoffMs, isWeftError, WeftError } from "@weft/kit";
import type { ChangeResult, DocumentChange } from "@weft/search";
import type { Catalog } from "./catalog.ts";
import { isWriteBlock } from "./failures.ts";
import { release } from "./siblings.ts";
import { applyChanges, type WriteContext } from "./write.ts";

/** How long a reindex may hold up a change, in milliseconds. One that takes longer is ended. */
const patienceMs = 5000;
const betweenAttempts = { initialMs: 20, maxMs: 200 };

/**
 * Applies changes to an index that may be replaced meanwhile: those that the old one no longer takes go to the new one,
 * by its definition.
 */
export async function applyToLive(
  context: WriteContext & { readonly catalog: Catalog },
  index: string,
  changes: readonly DocumentChange[],
): Promise<readonly ChangeResult[]> {
  const { server, catalog, clock, random } = context;
  const results: ChangeResult[] = [];
  let left = changes.map((change, place) => ({ change, place }));
  let waitsSince: number | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const entry = await catalog.get(index);
    const found: ChangeResult[] = [];
    const all = left.map(({ change }) => change);
    const refusal = await applyChanges(context, entry, all, found).then(() => undefined, refusalOf);
    for (const [at, result] of found.entries()) {
      const place = left[at]?.place;
      if (place !== undefined && result !== undefined) results[place] = result;
    }
    if (refusal === undefined) return results;
    left = left.filter((_, at) => found[at] === undefined);
    catalog.forget(index);
    if ((await catalog.get(index)).target !== entry.target) continue;
    // It is to be replaced in a moment, or the process that was about to do so has died.
    if (!isWriteBlock(refusal)) throw refusal;
    waitsSince ??= clock.monotonic();
    const waitedMs = clock.monotonic() - waitsSince;
    if (waitedMs > 2 * patienceMs) throw new WeftError("UNAVAILABLE", `${index} takes no changes`, { cause: refusal });
    if (waitedMs > patienceMs) await release(server, entry).catch(ignoreMissing);
    else await clock.sleep(backoffMs(attempt, { ...betweenAttempts, random }));
  }
}

/** Rejects with what has nothing to do with a reindex. */
function refusalOf(error: unknown): WeftError {
  if (isWeftError(error) && (isWriteBlock(error) || error.code === "NOT_FOUND")) return error;
  throw error;
}

/** It has just been replaced, or another writer was faster. */
function ignoreMissing(error: unknown): void {
  if (!isWeftError(error, "NOT_FOUND")) throw error;
}
