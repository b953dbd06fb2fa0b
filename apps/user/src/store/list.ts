import { type Kysely, type RawBuilder, sql } from "kysely";
import { type Filter, invalidPageToken, type OrderKey } from "@weft/filter";
import { isJsonObject, type JsonObject, WeftError } from "@weft/kit";
import { emailKey, type User } from "../domain/user.ts";
import { filterToSql } from "./filter.ts";
import type { Schema } from "./schema.ts";
import { toUser } from "./users.ts";

/** The fields that users can be listed by. */
export const orderFields = ["create_time", "name", "email"] as const;

type OrderField = (typeof orderFields)[number];

export interface ListQuery {
  readonly filter: Filter;
  /** The order that the caller asked for; ties are broken by id. */
  readonly order: readonly OrderKey[];
  readonly limit: number;
  /** Goes on behind this position; from the start when undefined. */
  readonly after: JsonObject | undefined;
}

/** A page by keyset: it stays right while users come and go, and the last page costs what the first did. */
export async function listUsers(database: Kysely<Schema>, query: ListQuery): Promise<readonly User[]> {
  const { filter, limit, after } = query;
  const keys = keysOf(query.order);
  const order = keys.map(({ column, descending }) => sql`${sql.ref(column)} ${sql.raw(descending ? "desc" : "asc")}`);
  const rows = await database
    .selectFrom("users")
    .selectAll()
    .where(filterToSql(filter))
    .where(after === undefined ? sql<boolean>`true` : behind(keys, valuesOf(keys, after)))
    .orderBy(sql.join(order))
    .limit(limit)
    .execute();
  return rows.map(toUser);
}

/** Where a user stands in an order; `listUsers` goes on behind it. */
export function positionOf(user: User, order: readonly OrderKey[]): JsonObject {
  const values = { create_time: user.createdAt, name: user.name, email: emailKey(user.email), id: user.id };
  return { at: keysOf(order).map(({ field }) => values[field]) };
}

interface Key {
  readonly field: OrderField | "id";
  readonly column: "create_time" | "name" | "email_key" | "id";
  readonly descending: boolean;
}

/** The whole order: by default that of creation, and always by id in the end, in the direction of the last key. */
function keysOf(order: readonly OrderKey[]): readonly Key[] {
  const asked = order.length > 0 ? order : [{ field: "create_time", descending: false }];
  const keys = asked.map(({ field, descending }): Key => {
    const known = orderFields.find((name) => name === field);
    if (known === undefined) throw new WeftError("INVALID_FILTER", "there is no such field to order by");
    return { field: known, column: known === "email" ? "email_key" : known, descending };
  });
  return [...keys, { field: "id", column: "id", descending: keys.at(-1)?.descending ?? false }];
}

function behind(keys: readonly Key[], values: readonly RawBuilder<unknown>[]): RawBuilder<boolean> {
  const [first] = keys;
  if (first !== undefined && keys.every(({ descending }) => descending === first.descending)) {
    // One direction: a comparison of rows, which an index answers.
    const columns = sql.join(keys.map(({ column }) => sql.ref(column)));
    return sql<boolean>`(${columns}) ${after(first)} (${sql.join(values)})`;
  }
  // Behind by a key, and equal by those before it.
  const cases = keys.map((key, index) => {
    const equal = keys.slice(0, index).map(({ column }, at) => sql`${sql.ref(column)} = ${values[at]}`);
    const further = sql`${sql.ref(key.column)} ${after(key)} ${values[index]}`;
    return sql`(${sql.join([...equal, further], sql` and `)})`;
  });
  return sql<boolean>`(${sql.join(cases, sql` or `)})`;
}

function after({ descending }: Key): RawBuilder<unknown> {
  return sql.raw(descending ? "<" : ">");
}

/** The last time that a Date can hold, in milliseconds since the epoch. */
const maxTimeMs = 8.64e15;

/** The position in a page token; `INVALID_PAGE_TOKEN` when it is not of this order. */
function valuesOf(keys: readonly Key[], position: JsonObject): readonly RawBuilder<unknown>[] {
  const values = isJsonObject(position) && Array.isArray(position["at"]) ? position["at"] : [];
  return keys.map(({ field }, index) => {
    const value: unknown = values[index];
    if (field === "create_time" && typeof value === "number" && Math.abs(value) <= maxTimeMs)
      return sql`${new Date(value)}`;
    if (field !== "create_time" && typeof value === "string") return sql`${value}`;
    throw invalidPageToken();
  });
}
