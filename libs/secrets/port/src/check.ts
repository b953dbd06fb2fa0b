import { WeftError } from "@weft/kit";

const pattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9_-])?$/;

/** Law `X3`: letters, digits, `.`, `_` and `-`, at most 253, no dot at either end; else `INVALID_ARGUMENT`. */
export function checkSecretName(name: string): void {
  if (isSecretName(name)) return;
  throw new WeftError("INVALID_ARGUMENT", "a secret's name has letters, digits, '.', '_' and '-' only", {
    violations: [{ field: "name", description: "not a name of a secret" }],
  });
}

/** Whether a secret can have this name. */
export function isSecretName(name: string): boolean {
  return pattern.test(name) && !name.includes("..");
}
