export { compose } from "./compose.ts";
export { settings } from "./settings.ts";
