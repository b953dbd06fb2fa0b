export { type EnvSecretsOptions, openEnvSecrets } from "./secrets.ts";
