export type { SecretStore } from "./secrets.ts";
