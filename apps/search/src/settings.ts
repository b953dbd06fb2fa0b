import { type ConfigOf, setting } from "@weft/kit";

/** What can be configured at the search service. */
export const settings = {
  cacheMs: setting.durationMs("search.cacheMs", {
    default: 10_000,
    max: 60_000,
    about: "Longest time that an answer is given again while its index does not change; 0 keeps none.",
  }),
};

/** The values of the settings. */
export type SearchConfig = ConfigOf<typeof settings>;
