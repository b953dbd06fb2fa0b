export { compose } from "./compose.ts";
export { type NotificationConfig, settings } from "./settings.ts";
