export { compose } from "./compose.ts";
export { settings, type UserConfig } from "./settings.ts";
