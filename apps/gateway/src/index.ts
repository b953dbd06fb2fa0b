export { compose } from "./compose.ts";
export { type GatewayConfig, settings } from "./settings.ts";
