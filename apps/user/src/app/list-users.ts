import { decodePageToken, encodePageToken, type Filter, pageSize, parseFilter, parseOrderBy } from "@weft/filter";
import { WeftError } from "@weft/kit";
import { unlessAborted } from "@weft/sql";
import type { User } from "../domain/user.ts";
import { listUsers, orderFields, positionOf } from "../store/list.ts";
import type { UserContext } from "./users.ts";

const pageLimits = { default: 50, max: 500 };

export interface ListUsers {
  /** 0 means 50; over 500 is taken as 500. */
  readonly size: number;
  readonly pageToken: string;
  /** AIP-160. */
  readonly filter: string;
  /** AIP-132. */
  readonly orderBy: string;
  /** Whether the filter and the order may go by e-mail address; they would tell it to whoever may not see it. */
  readonly byEmail: boolean;
}

export interface UserPage {
  readonly users: readonly User[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** `INVALID_FILTER` for the filter or the order, `INVALID_PAGE_TOKEN` for a token of another query. */
export async function listPage({ database }: UserContext, request: ListUsers, signal?: AbortSignal): Promise<UserPage> {
  const filter = parseFilter(request.filter);
  if (!request.byEmail && namesField(filter, "email")) {
    throw new WeftError("INVALID_FILTER", 'there is no field "email" to filter by');
  }
  const allowed = request.byEmail ? orderFields : orderFields.filter((field) => field !== "email");
  const order = parseOrderBy(request.orderBy, allowed);
  const query = JSON.stringify([request.filter, order]);
  const after = request.pageToken === "" ? undefined : decodePageToken(request.pageToken, query);
  const size = pageSize(request.size, pageLimits);
  // One more than asked for tells whether there is another page.
  const page = { filter, order, limit: size + 1, after };
  const found = await unlessAborted(database, signal, (connection) => listUsers(connection, page));
  const users = found.slice(0, size);
  const last = users.at(-1);
  const isLast = found.length <= size || last === undefined;
  return { users, nextPageToken: isLast ? "" : encodePageToken(positionOf(last, order), query) };
}

function namesField(filter: Filter, field: string): boolean {
  switch (filter.kind) {
    case "and":
    case "or":
      return filter.operands.some((operand) => namesField(operand, field));
    case "not":
      return namesField(filter.operand, field);
    case "comparison":
      return filter.field === field;
  }
}
