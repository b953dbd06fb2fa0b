import type { UserEvent } from "@weft/contracts/event";
import { WeftError } from "@weft/kit";
import type { DocumentChange, SearchEngine } from "@weft/search";
import { userDocument, usersIndex } from "../domain/users-index.ts";

/** Takes in an event, however often and in whatever order events come: see {@link changeOf}. */
export async function takeIn(engine: Pick<SearchEngine, "apply">, event: UserEvent): Promise<void> {
  const [result] = await engine.apply(usersIndex.index, [changeOf(event)]);
  if (result?.outcome === "failed") throw new WeftError(result.reason, result.detail);
}

/** The change that an event means, under the user's own version: one that comes twice, or after a newer one, changes nothing. */
export function changeOf(event: UserEvent): DocumentChange {
  if (event.kind === "deleted") return { kind: "delete", id: event.id, version: event.version };
  const { user } = event;
  return { kind: "put", id: user.id, version: user.version, document: userDocument(user) };
}
