export { type EmbeddedDiscoveryOptions, openEmbeddedDiscovery } from "./discovery.ts";
