export { type FileSecretsOptions, openFileSecrets } from "./secrets.ts";
