export { type ConsulConfigurationOptions, openConsulConfiguration } from "./configuration.ts";
