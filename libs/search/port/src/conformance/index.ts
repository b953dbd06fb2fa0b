import { describeLaws, type Law } from "@weft/kit/testing";
import type { SearchFixture } from "./fixture.ts";
import { matchLaws } from "./match-laws.ts";
import { readLaws } from "./read-laws.ts";
import { reindexLaws } from "./reindex-laws.ts";
import { writeLaws } from "./write-laws.ts";

export { describeFilterModel } from "./filter-model.ts";
export { type SearchFixture, shop } from "./fixture.ts";
export { searchOperations } from "./operations.ts";

/** Every law of `SearchEngine`, as data. */
export const searchLaws: readonly Law<SearchFixture>[] = [...writeLaws, ...matchLaws, ...readLaws, ...reindexLaws];

/** Tests every law of search engines; `open` makes a new, empty store each time. */
export function describeSearchConformance(name: string, open: () => Promise<SearchFixture>): void {
  describeLaws(`search: ${name}`, searchLaws, open);
}
