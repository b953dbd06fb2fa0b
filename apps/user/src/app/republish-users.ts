import { addToOutbox } from "@weft/outbox";
import { userUpdated } from "../domain/events.ts";
import { lockPage } from "../store/users.ts";
import { type Cause, stamp, type UserContext } from "./users.ts";

/** Users of one transaction: their rows are locked until it commits. */
const defaultPageSize = 200;

export interface RepublishUsers extends Cause {
  /** Ends it between two pages. */
  readonly signal: AbortSignal;
  /** Default 200. */
  readonly pageSize?: number;
}

/**
 * Announces every user again, as an update of nothing under the version that they have: a read model that lacks it takes
 * it in, any other has it already. The number of users.
 *
 * A page at a time, each in a transaction that keeps its users from changing: so no event of a newer version can stand
 * before it in the outbox. Who is made meanwhile may be left out, and is announced anyway; who was deleted stays so.
 */
export async function republishUsers(context: UserContext, options: RepublishUsers): Promise<number> {
  const { trace, signal, pageSize = defaultPageSize } = options;
  let count = 0;
  let after = "";
  for (;;) {
    signal.throwIfAborted();
    const users = await context.database.transaction(async (transaction) => {
      const page = await lockPage(transaction, { after, limit: pageSize });
      const time = context.clock.now();
      await addToOutbox(
        transaction,
        page.map((user) => userUpdated(user, [], stamp(context, trace, time))),
      );
      return page;
    });
    count += users.length;
    const last = users.at(-1);
    if (last === undefined) return count;
    after = last.id;
  }
}
