import { isWeftError, type Log } from "@weft/kit";
import { sameDefinition, type SearchEngine } from "@weft/search";
import { usersIndex } from "../domain/users-index.ts";
import { type ReindexContext, startReindex } from "./reindex.ts";

/** Makes the index of people where there is none. One that another version of this code has made serves for now. */
export async function ensureUsersIndex(engine: Pick<SearchEngine, "createIndex">): Promise<void> {
  try {
    await engine.createIndex(usersIndex);
  } catch (error) {
    if (!isWeftError(error, "ALREADY_EXISTS")) throw error;
  }
}

/** Asks for the index to be built anew where its definition is not this version's. */
export async function renewUsersIndex(context: ReindexContext & { readonly log: Log }): Promise<void> {
  const { index } = usersIndex;
  const { definition } = await context.engine.getIndex(index);
  if (sameDefinition(definition, usersIndex)) return;
  try {
    const { id } = await startReindex(context, { index, definition: usersIndex, caller: "", requestId: "" });
    context.log.info({ index, operation: id }, "the index has another version's definition, and is built anew");
  } catch (error) {
    // One is under way already.
    if (!isWeftError(error, "FAILED_PRECONDITION")) throw error;
  }
}
