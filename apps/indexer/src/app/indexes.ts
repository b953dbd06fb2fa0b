import { decodePageToken, encodePageToken, invalidPageToken, pageSize } from "@weft/filter";
import { type JsonObject, WeftError } from "@weft/kit";
import type { IndexInfo, SearchEngine } from "@weft/search";
import { usersIndex } from "../domain/users-index.ts";

const pageLimits = { default: 50, max: 500 };
const listQuery = "indexes";

/** Indexes by name. */
export async function listIndexes(
  engine: SearchEngine,
  input: { readonly pageSize: number; readonly pageToken: string },
): Promise<{ readonly indexes: readonly IndexInfo[]; readonly nextPageToken: string }> {
  const size = pageSize(input.pageSize, pageLimits);
  const after = input.pageToken === "" ? "" : decodePageToken(input.pageToken, listQuery)["after"];
  if (typeof after !== "string") throw invalidPageToken();
  const rest = (await engine.listIndexes()).filter(({ definition }) => definition.index > after);
  const indexes = rest.slice(0, size);
  const last = indexes.at(-1)?.definition.index;
  const more = rest.length > indexes.length && last !== undefined;
  return { indexes, nextPageToken: more ? encodePageToken({ after: last }, listQuery) : "" };
}

/** `FAILED_PRECONDITION` for an index that follows events: it is not for callers to fill or to drop. */
export function refuseFollower(index: string): void {
  if (index !== usersIndex.index) return;
  throw new WeftError("FAILED_PRECONDITION", `the index ${index} follows events and can't be changed by hand`, {
    metadata: { index },
  });
}

/** Deletes an index with everything in it. */
export async function deleteIndex(engine: SearchEngine, index: string): Promise<void> {
  refuseFollower(index);
  await engine.deleteIndex(index);
}

export async function getDocument(engine: SearchEngine, index: string, id: string): Promise<JsonObject> {
  return engine.getDocument(index, id);
}

/** Succeeds also when there was no such document. */
export async function deleteDocument(engine: SearchEngine, index: string, id: string): Promise<void> {
  refuseFollower(index);
  const [result] = await engine.apply(index, [{ kind: "delete", id }]);
  if (result?.outcome === "failed") throw new WeftError(result.reason, result.detail);
}
