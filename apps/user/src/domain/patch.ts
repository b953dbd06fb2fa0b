import { WeftError } from "@weft/kit";
import type { Profile } from "./user.ts";

/** New values of a user; empty text, an empty list and a missing password are values too, where the mask names them. */
export interface Patch extends Profile {
  readonly password: string | undefined;
}

/** The fields that an update may set, as its mask names them. */
export const patchFields = ["email", "name", "password", "bio", "location", "locale", "tags"] as const;

export type PatchField = (typeof patchFields)[number];

/** Fields that a user can't be without. */
const needed: readonly PatchField[] = ["email", "name", "password"];

/**
 * The fields to set (AIP-134): those of the mask; with an empty mask those that the patch holds a value for; with `*`
 * all, except that a password that is not given stays. `INVALID_ARGUMENT` for an unknown field, and for taking away one
 * that a user can't be without.
 */
export function fieldsToSet(patch: Patch, mask: readonly string[]): readonly PatchField[] {
  const asked = mask.includes("*") ? replaceAll(patch, mask) : mask.length > 0 ? mask.map(known) : present(patch);
  const fields = patchFields.filter((field) => asked.includes(field));
  const missing = fields.find((field) => needed.includes(field) && !isPresent(patch[field]));
  if (missing !== undefined) throw invalid(`user.${missing}`, "can't be empty");
  return fields;
}

/** The fields among `fields` whose values differ from the user's. A password always counts: only its hash is known. */
export function changes(user: Profile, patch: Patch, fields: readonly PatchField[]): readonly PatchField[] {
  return fields.filter((field) => field === "password" || !isSame(user[field], patch[field]));
}

/** The profile after setting `fields`. */
export function applyPatch(user: Profile, patch: Patch, fields: readonly PatchField[]): Profile {
  const pick = <K extends keyof Profile>(field: K): Profile[K] => (fields.includes(field) ? patch[field] : user[field]);
  return {
    email: pick("email"),
    name: pick("name"),
    bio: pick("bio"),
    location: pick("location"),
    locale: pick("locale"),
    tags: pick("tags"),
  };
}

function replaceAll(patch: Patch, mask: readonly string[]): readonly PatchField[] {
  if (mask.length > 1) throw invalid("updateMask", "* stands alone");
  return patchFields.filter((field) => field !== "password" || patch.password !== undefined);
}

function present(patch: Patch): readonly PatchField[] {
  return patchFields.filter((field) => isPresent(patch[field]));
}

function isPresent(value: Patch[PatchField]): boolean {
  return value !== undefined && value.length > 0;
}

function isSame(before: string | readonly string[], after: string | readonly string[]): boolean {
  return JSON.stringify(before) === JSON.stringify(after);
}

function known(path: string): PatchField {
  const field = patchFields.find((name) => name === path);
  if (field === undefined) throw invalid("updateMask", "names a field that an update can't set");
  return field;
}

function invalid(field: string, description: string): WeftError {
  return new WeftError("INVALID_ARGUMENT", `${field} ${description}`, { violations: [{ field, description }] });
}
