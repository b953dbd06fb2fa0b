import type { UserState } from "@weft/contracts/event";
import { timestampDate } from "@bufbuild/protobuf/wkt";
import type { JsonObject } from "@weft/kit";
import type { IndexDefinition } from "@weft/search";

/** The index of people. Filled from events alone: a bulk load would be overwritten. */
export const usersIndex: IndexDefinition = {
  index: "users",
  idField: "id",
  fields: new Map([
    ["name", { kind: "text", weight: 3, suggest: true }],
    ["bio", { kind: "text", weight: 1, suggest: false }],
    ["location", { kind: "keyword", facet: true, suggest: false }],
    ["tags", { kind: "keyword", facet: true, suggest: false }],
    ["locale", { kind: "keyword", facet: false, suggest: false }],
    ["createTime", { kind: "date" }],
  ]),
};

/** What a search shows of a user. No address: whoever may search need not know it. */
export function userDocument({ id, name, bio, location, tags, locale, createTime }: UserState): JsonObject {
  return {
    id,
    name,
    bio,
    tags,
    // An empty keyword would be counted as a value.
    ...(location === "" ? {} : { location }),
    ...(locale === "" ? {} : { locale }),
    ...(createTime === undefined ? {} : { createTime: timestampDate(createTime).toISOString() }),
  };
}
