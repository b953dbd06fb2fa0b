import type { Filter, FilterValue } from "./ast.ts";
import { isBareValue } from "./tokens.ts";

/** The text of a filter; `parseFilter` gives the same filter back, as long as no group has fewer than two operands. */
export function formatFilter(filter: Filter): string {
  switch (filter.kind) {
    case "and":
    case "or":
      return filter.operands.map(formatOperand).join(filter.kind === "and" ? " AND " : " OR ");
    case "not":
      return `NOT ${formatOperand(filter.operand)}`;
    case "comparison":
      return `${filter.field} ${filter.comparator} ${formatValue(filter.value)}`;
  }
}

function formatOperand(filter: Filter): string {
  return filter.kind === "and" || filter.kind === "or" ? `(${formatFilter(filter)})` : formatFilter(filter);
}

function formatValue(value: FilterValue): string {
  if (!value.quoted && isBareValue(value.text)) return value.text;
  return `"${value.text.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r").replaceAll("\t", "\\t")}"`;
}
