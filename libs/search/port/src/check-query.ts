import { WeftError } from "@weft/kit";
import type { IndexDefinition } from "./definition.ts";
import type { DocumentChange, SearchQuery } from "./search.ts";
import { type TypedFilter, typeFilter } from "./typed-filter.ts";

/** Most changes of one `apply`. */
export const maxChanges = 5000;

/** Throws `INVALID_FILTER` for facets or sort keys that the index does not have; gives back the typed filter. */
export function checkQuery(
  definition: IndexDefinition,
  query: Pick<SearchQuery, "filter" | "facets" | "sort">,
): TypedFilter | undefined {
  for (const name of query.facets ?? []) {
    const type = definition.fields.get(name);
    if (type === undefined || !("facet" in type) || !type.facet) {
      throw new WeftError("INVALID_FILTER", `the index has no facet ${name}`);
    }
  }
  for (const { field } of query.sort ?? []) {
    if (!definition.fields.has(field)) throw new WeftError("INVALID_FILTER", `the index has no field ${field}`);
  }
  return query.filter === undefined ? undefined : typeFilter(definition, query.filter);
}

/** Throws `PAYLOAD_TOO_LARGE` for more changes than one `apply` takes. */
export function checkChanges(changes: readonly DocumentChange[]): void {
  if (changes.length > maxChanges) {
    throw new WeftError("PAYLOAD_TOO_LARGE", `more than ${maxChanges} changes at once`);
  }
}
