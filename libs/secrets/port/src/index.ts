export { checkSecretName, isSecretName } from "./check.ts";
export type { SecretStore } from "./secrets.ts";
