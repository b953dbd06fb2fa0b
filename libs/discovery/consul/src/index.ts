export { type ConsulDiscoveryOptions, openConsulDiscovery } from "./discovery.ts";
