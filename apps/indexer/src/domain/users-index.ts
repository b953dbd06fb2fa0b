import { timestampMs } from "@bufbuild/protobuf/wkt";
import type { UserState } from "@weft/contracts/event";
import type { JsonObject } from "@weft/kit";
import type { IndexDefinition } from "@weft/search";

/** The index of people, which follows the events of accounts. E-mail addresses are nobody's to find. */
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

/** A user as the index holds them. What they left empty is left out, so that it is no value to count or sort by. */
export function userDocument({ id, name, bio, location, tags, locale, createTime }: UserState): JsonObject {
  return {
    id,
    name,
    ...(bio === "" ? {} : { bio }),
    ...(location === "" ? {} : { location }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(locale === "" ? {} : { locale }),
    ...(createTime === undefined ? {} : { createTime: new Date(timestampMs(createTime)).toISOString() }),
  };
}
