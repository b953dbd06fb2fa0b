import { WeftError } from "@weft/kit";
import type { AcquireOptions } from "./lock.ts";

const maxNameLength = 255;
const minTtlMs = 100;

/** The options with their defaults. `INVALID_ARGUMENT` for what no adapter can hold. */
export function acquireDefaults(
  name: string,
  options: AcquireOptions,
): { readonly ttlMs: number; readonly waitMs: number } {
  const { ttlMs = 10_000, waitMs = 0 } = options;
  if (name === "" || name.length > maxNameLength) {
    throw new WeftError("INVALID_ARGUMENT", `a lock's name has 1 to ${maxNameLength} characters`);
  }
  // Half a surrogate pair has no UTF-8: it would be another name's lock.
  if (!name.isWellFormed()) throw new WeftError("INVALID_ARGUMENT", "a lock's name is well-formed Unicode");
  if (!(ttlMs >= minTtlMs)) throw new WeftError("INVALID_ARGUMENT", `the TTL of a lock is at least ${minTtlMs} ms`);
  if (!(waitMs >= 0)) throw new WeftError("INVALID_ARGUMENT", "the time to wait for a lock is not negative");
  return { ttlMs, waitMs };
}
