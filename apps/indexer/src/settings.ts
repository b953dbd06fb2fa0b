import { type ConfigOf, setting } from "@weft/kit";

/** What can be configured at the indexer. */
export const settings = {
  bulkBatch: setting.integer("indexer.bulkBatch", {
    default: 500,
    min: 1,
    max: 5000,
    about: "Documents of a bulk load that are handed to the search engine at once.",
  }),
  bulkAttempts: setting.integer("indexer.bulkAttempts", {
    default: 3,
    min: 1,
    max: 10,
    about: "Tries of a document of a bulk load that failed for a reason that may pass.",
  }),
};

/** The values of the settings. */
export type IndexerConfig = ConfigOf<typeof settings>;
