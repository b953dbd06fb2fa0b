export { compose } from "./compose.ts";
export { type SearchConfig, settings } from "./settings.ts";
