export type { ConfigurationItem, ConfigurationStore, ConfigurationUpdate } from "./configuration.ts";
