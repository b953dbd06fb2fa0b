import { WeftError } from "@weft/kit";

/** One key of an order. */
export interface OrderKey {
  readonly field: string;
  readonly descending: boolean;
}

/** Most keys of an order. */
const maxKeys = 10;

/**
 * Reads an order by AIP-132 (https://google.aip.dev/132#ordering): `name, create_time desc`. Empty text is no order.
 * An unknown or repeated field, or anything else, is `INVALID_FILTER`.
 */
export function parseOrderBy(text: string, allowedFields: Iterable<string>): readonly OrderKey[] {
  if (text.trim() === "") return [];
  const allowed = new Set(allowedFields);
  const keys = text.split(",").map((part): OrderKey => {
    const [field = "", direction = "asc", ...rest] = part.trim().split(/\s+/);
    if (rest.length > 0 || (direction !== "asc" && direction !== "desc")) {
      throw new WeftError("INVALID_FILTER", `expected a field with an optional "asc" or "desc", not ${quote(part)}`);
    }
    if (!allowed.has(field)) throw new WeftError("INVALID_FILTER", `there is no field ${quote(field)} to order by`);
    return { field, descending: direction === "desc" };
  });
  if (keys.length > maxKeys) throw new WeftError("INVALID_FILTER", `an order has at most ${maxKeys} fields`);
  if (new Set(keys.map((key) => key.field)).size < keys.length) {
    throw new WeftError("INVALID_FILTER", "the order names a field twice");
  }
  return keys;
}

function quote(text: string): string {
  return JSON.stringify(text.trim().slice(0, 100));
}
