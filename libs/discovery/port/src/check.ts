import { type FieldViolation, WeftError } from "@weft/kit";
import type { Instance } from "./discovery.ts";

const maxMetadataLength = 255;
const minTtlMs = 1000;

/** Refuses what no adapter can hold. `INVALID_ARGUMENT` with a violation for each bad field. */
export function checkInstance(instance: Instance, ttlMs: number): void {
  const violations: FieldViolation[] = [];
  for (const field of ["service", "id", "address"] as const) {
    if (instance[field] === "") violations.push({ field, description: "must not be empty" });
  }
  for (const [key, value] of Object.entries(instance.metadata)) {
    if (value.length <= maxMetadataLength) continue;
    violations.push({ field: `metadata.${key}`, description: `must have at most ${maxMetadataLength} characters` });
  }
  if (!(ttlMs >= minTtlMs)) violations.push({ field: "ttlMs", description: `must be at least ${minTtlMs}` });
  if (violations.length > 0)
    throw new WeftError("INVALID_ARGUMENT", "the instance can't be registered", { violations });
}
