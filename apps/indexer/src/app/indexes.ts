import { decodePageToken, encodePageToken, pageSize } from "@weft/filter";
import { WeftError } from "@weft/kit";
import type { IndexInfo, SearchEngine } from "@weft/search";
import { usersIndex } from "../domain/users-index.ts";

const pageLimits = { default: 50, max: 500 };

/** Throws `FAILED_PRECONDITION` for an index that is filled from events: whoever owns the data changes it there. */
export function refuseOwned(index: string): void {
  if (index !== usersIndex.index) return;
  throw new WeftError(
    "FAILED_PRECONDITION",
    `the index ${index} follows the events of its owner and can't be changed here`,
  );
}

export async function removeIndex(engine: SearchEngine, index: string): Promise<void> {
  refuseOwned(index);
  await engine.deleteIndex(index);
}

export async function removeDocument(engine: SearchEngine, index: string, id: string): Promise<void> {
  refuseOwned(index);
  await engine.getDocument(index, id);
  const [result] = await engine.apply(index, [{ kind: "delete", id }]);
  if (result?.outcome === "failed") throw new WeftError(result.reason, result.detail);
}

/** One page of the indexes, by name. */
export async function listPage(
  engine: SearchEngine,
  input: { readonly size: number; readonly pageToken: string },
): Promise<{ readonly indexes: readonly IndexInfo[]; readonly nextPageToken: string }> {
  const size = pageSize(input.size, pageLimits);
  const after = input.pageToken === "" ? "" : lastName(input.pageToken);
  const rest = (await engine.listIndexes()).filter(({ definition }) => definition.index > after);
  const indexes = rest.slice(0, size);
  const last = indexes.at(-1)?.definition.index;
  const more = rest.length > size && last !== undefined;
  return { indexes, nextPageToken: more ? encodePageToken({ last }, "indexes") : "" };
}

function lastName(token: string): string {
  const { last } = decodePageToken(token, "indexes");
  if (typeof last !== "string")
    throw new WeftError("INVALID_PAGE_TOKEN", "the page token was not issued for a list of indexes");
  return last;
}
