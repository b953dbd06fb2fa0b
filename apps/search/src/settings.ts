import type { ConfigOf } from "@weft/kit";

/** What can be configured at the search service: nothing of its own yet. */
export const settings = {};

/** The values of the settings. */
export type SearchConfig = ConfigOf<typeof settings>;
