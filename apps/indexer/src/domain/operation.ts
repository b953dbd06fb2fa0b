import type { Reason } from "@weft/kit";
import type { IndexDefinition } from "@weft/search";

/** An index that is built anew: work that outlives its call. Times are milliseconds since the epoch. */
export interface Operation {
  readonly id: string;
  readonly index: string;
  /** Unset: the one that the index has. */
  readonly definition?: IndexDefinition;
  /** How often it was begun: again after the death of the process that was at it, and after failures that may pass. */
  readonly attempts: number;
  /** Documents dealt with so far, and in all as far as known. */
  readonly processed: number;
  readonly total: number;
  readonly createTime: number;
  /** Set when it is done, one way or the other. */
  readonly endTime?: number;
  /** Set when it ended badly. */
  readonly error?: { readonly reason: Reason; readonly detail: string };
}

/** One that nobody is at yet. */
export function newOperation(
  of: Pick<Operation, "id" | "index" | "createTime"> & { readonly definition: IndexDefinition | undefined },
): Operation {
  const { id, index, definition, createTime } = of;
  return { id, index, ...(definition && { definition }), attempts: 0, processed: 0, total: 0, createTime };
}
