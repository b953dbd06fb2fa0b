import { fromJson, type JsonObject as ProtoJsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import { type ListValue, ListValueSchema } from "@bufbuild/protobuf/wkt";
import type { HitSchema } from "@weft/contracts/search";
import type { SearchHit, SearchPage } from "@weft/search";

/** A hit as callers see it. */
export function toHit({ id, score, document, highlights }: SearchHit): MessageInitShape<typeof HitSchema> {
  return {
    id,
    score,
    // A document came in as JSON: readonly here and plain there are the same objects.
    document: document as ProtoJsonObject,
    highlights: Object.fromEntries(
      [...highlights].map(([field, excerpts]) => [field, fromJson(ListValueSchema, [...excerpts])]),
    ),
  };
}

/** Counts by field, each a list of {value, count}. */
export function toFacets(facets: SearchPage["facets"]): Record<string, ListValue> {
  return Object.fromEntries(
    [...facets].map(([field, counts]) => [
      field,
      fromJson(
        ListValueSchema,
        counts.map(({ value, count }) => ({ value, count })),
      ),
    ]),
  );
}
