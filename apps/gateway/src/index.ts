export { createEdge, type Edge } from "./http/server.ts";
export type { EdgeParts } from "./http/handler.ts";
export { openApiOf } from "./openapi/document.ts";
export { type GatewayConfig, settings } from "./settings.ts";
