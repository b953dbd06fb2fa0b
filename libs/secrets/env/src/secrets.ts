import { Secret, WeftError } from "@weft/kit";
import { checkSecretName, type SecretStore } from "@weft/secrets";

export interface EnvSecretsOptions {
  /** The environment: `process.env`, read where the process starts. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What a variable's name starts with. Default `WEFT_SECRET_`. */
  readonly prefix?: string;
}

/**
 * Secrets from environment variables: the secret `smtp-password` is `WEFT_SECRET_SMTP_PASSWORD` (upper case, with `_`
 * for `-` and `.`). An empty variable is a missing secret. Names are listed as `smtp-password`.
 *
 * A process's environment can be read by other processes of the same user, and is handed on to its children; where that
 * matters, keep secrets in files.
 */
export async function openEnvSecrets(options: EnvSecretsOptions): Promise<SecretStore> {
  const { env, prefix = "WEFT_SECRET_" } = options;
  if (prefix === "") throw new WeftError("INVALID_CONFIGURATION", "secrets from the environment need a prefix");
  return {
    get: async (name) => {
      checkSecretName(name);
      const value = env[prefix + name.toUpperCase().replaceAll(/[.-]/g, "_")];
      return value === undefined || value === "" ? undefined : new Secret(value);
    },
    list: async () =>
      Object.keys(env)
        .filter((key) => key.startsWith(prefix) && env[key])
        .map((key) => key.slice(prefix.length))
        .filter((rest) => rest !== "" && rest === rest.toUpperCase())
        .map((rest) => rest.toLowerCase().replaceAll("_", "-"))
        .sort(),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
