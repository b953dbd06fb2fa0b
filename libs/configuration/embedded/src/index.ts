export { type EmbeddedConfigurationOptions, openEmbeddedConfiguration } from "./configuration.ts";
