export type { ConfigurationItem, ConfigurationStore, ConfigurationUpdate } from "./configuration.ts";
export { checkKey, sameUpdate } from "./values.ts";
