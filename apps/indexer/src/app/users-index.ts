import { backoffMs, isWeftError, type Log } from "@weft/kit";
import { sameDefinition, type SearchEngine } from "@weft/search";
import { usersIndex } from "../domain/users-index.ts";
import { type ReindexContext, startReindex } from "./reindex.ts";

/** How long one request to build the index anew comes after another that did not help, in milliseconds. */
const betweenRenewals = { initialMs: 60_000, maxMs: 3_600_000, random: () => 1 };

/** Makes the index of people where there is none. One that another version of this code has made serves for now. */
export async function ensureUsersIndex(engine: Pick<SearchEngine, "createIndex">): Promise<void> {
  try {
    await engine.createIndex(usersIndex);
  } catch (error) {
    if (!isWeftError(error, "ALREADY_EXISTS")) throw error;
  }
}

/** Has the index of people built anew for as long as its definition is not this version's. */
export class UsersIndexRenewal {
  readonly #context: ReindexContext & { readonly log: Log };
  #isChecked = false;
  #asked = 0;
  #notBefore = -Infinity;

  constructor(context: ReindexContext & { readonly log: Log }) {
    this.#context = context;
  }

  /** To be called now and then: does nothing while a reindex of the index is under way. */
  async look(): Promise<void> {
    const { engine, operations, clock, log } = this.#context;
    const { index } = usersIndex;
    if (this.#isChecked || clock.monotonic() < this.#notBefore) return;
    // It may be one under another definition: what counts is what the index has after it.
    if ((await operations.runningOn(index)) !== undefined) return;
    const { definition } = await engine.getIndex(index);
    if (sameDefinition(definition, usersIndex)) {
      this.#isChecked = true;
      this.#asked = 0;
      return;
    }
    try {
      const request = { index, definition: usersIndex, caller: "", requestId: "" };
      const { id } = await startReindex(this.#context, request);
      this.#asked += 1;
      this.#notBefore = clock.monotonic() + backoffMs(this.#asked, betweenRenewals);
      log.info({ index, operation: id }, "the index has another version's definition, and is built anew");
    } catch (error) {
      // One has just begun.
      if (!isWeftError(error, "FAILED_PRECONDITION")) throw error;
    }
  }

  /** An operation has ended, and may have changed the definition. */
  lookAgain(): void {
    this.#isChecked = false;
  }
}
