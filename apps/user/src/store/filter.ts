import { type RawBuilder, sql } from "kysely";
import type { Comparison, Filter } from "@weft/filter";
import { WeftError } from "@weft/kit";
import { emailKey } from "../domain/user.ts";

/** A condition of SQL with bound values. */
type Condition = RawBuilder<boolean>;

/**
 * A filter as a condition on `users`.
 *
 * Text fields: `=` `!=` `<` `<=` `>` `>=` compare, `:` means 'contains', whatever the case; `*` in a bare value stands
 * for anything. `tags:x` (or `tags=x`): is one of the tags. `field:*`: is not empty. `create_time` takes RFC 3339.
 * `INVALID_FILTER` for another field, or a comparison that a field does not have.
 */
export function filterToSql(filter: Filter): Condition {
  switch (filter.kind) {
    case "and":
      return filter.operands.length === 0 ? sql<boolean>`true` : join(filter.operands, " and ");
    case "or":
      return filter.operands.length === 0 ? sql<boolean>`false` : join(filter.operands, " or ");
    case "not":
      return sql<boolean>`not (${filterToSql(filter.operand)})`;
    case "comparison":
      return comparisonToSql(filter);
  }
}

function join(operands: readonly Filter[], separator: string): Condition {
  return sql<boolean>`(${sql.join(operands.map(filterToSql), sql.raw(separator))})`;
}

function comparisonToSql(comparison: Comparison): Condition {
  const { field } = comparison;
  switch (field) {
    case "id":
    case "name":
    case "location":
    case "locale":
      return text(sql.ref(field), comparison, comparison.value.text);
    case "email":
      return text(sql.ref("email_key"), comparison, emailKey(comparison.value.text));
    case "tags":
      return tags(comparison);
    case "create_time":
    case "createTime":
      return time(comparison);
    default:
      throw invalid(`there is no field ${JSON.stringify(field.slice(0, 100))} to filter by`);
  }
}

function text(column: RawBuilder<unknown>, { comparator, value }: Comparison, wanted: string): Condition {
  const wild = !value.quoted && value.text.includes("*");
  if (comparator === ":") {
    if (wild && value.text === "*") return sql<boolean>`${column} <> ''`;
    return sql<boolean>`strpos(lower(${column}), lower(${wanted}::text)) > 0`;
  }
  if (!wild) return sql<boolean>`${column} ${operator(comparator)} ${wanted}`;
  const pattern = wanted.replaceAll(/[\\%_]/g, "\\$&").replaceAll("*", "%");
  if (comparator === "=") return sql<boolean>`${column} like ${pattern}`;
  if (comparator === "!=") return sql<boolean>`${column} not like ${pattern}`;
  throw invalid(`* can't be compared by ${comparator}`);
}

function tags({ comparator, value }: Comparison): Condition {
  if (comparator === ":" && !value.quoted && value.text === "*") return sql<boolean>`cardinality(tags) > 0`;
  const has = sql<boolean>`tags @> array[${value.text}]::text[]`;
  if (comparator === ":" || comparator === "=") return has;
  if (comparator === "!=") return sql<boolean>`not (${has})`;
  throw invalid(`tags can't be compared by ${comparator}`);
}

const rfc3339 = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/i;

function time({ comparator, value }: Comparison): Condition {
  const ms = rfc3339.test(value.text) ? Date.parse(value.text) : Number.NaN;
  if (Number.isNaN(ms)) throw invalid("create_time is compared with a time like 2026-01-31T12:00:00Z");
  if (comparator === ":") throw invalid("create_time can't be compared by :");
  return sql<boolean>`create_time ${operator(comparator)} ${new Date(ms)}`;
}

function operator(comparator: Exclude<Comparison["comparator"], ":">): RawBuilder<unknown> {
  return sql.raw(comparator === "!=" ? "<>" : comparator);
}

function invalid(message: string): WeftError {
  return new WeftError("INVALID_FILTER", message);
}
