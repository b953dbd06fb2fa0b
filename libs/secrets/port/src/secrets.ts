import type { Secret } from "@weft/kit";

/**
 * Building block: secrets.
 *
 * Laws:
 * - `X1` A missing secret reads as undefined, never as an empty string.
 * - `X2` A secret prints as `***` wherever it is logged, inspected or turned into JSON.
 * - `X3` A name that leaves the store (`..`, a path, an empty one) is `INVALID_ARGUMENT`.
 * - `X4` A secret that changes is seen by the next `get`.
 */
export interface SecretStore extends AsyncDisposable {
  get(name: string): Promise<Secret | undefined>;
  /** Names only. */
  list(): Promise<readonly string[]>;
}
