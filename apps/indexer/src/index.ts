export { compose } from "./compose.ts";
export { type IndexerConfig, settings } from "./settings.ts";
