import { WeftError } from "@weft/kit";
import { preferencesOf } from "../domain/person.ts";
import { checkPreferences, type Preferences } from "../domain/preferences.ts";
import type { Change } from "../store/people.ts";
import type { Parts } from "./parts.ts";

/** What somebody said, or the defaults; `NOT_FOUND` for somebody who was deleted. */
export async function getPreferences({ people }: Pick<Parts, "people">, userId: string): Promise<Preferences> {
  const person = await people.get(userId);
  if (person.state === "deleted") throw noUser();
  return preferencesOf(person);
}

/** The preferences after `edit`. `INVALID_ARGUMENT` when they are not valid together. */
export async function updatePreferences(
  { people }: Pick<Parts, "people">,
  userId: string,
  edit: (before: Preferences) => Preferences,
): Promise<Preferences> {
  const change = await people.change(userId, (person): (Change & { readonly preferences: Preferences }) | undefined => {
    if (person.state === "deleted") return undefined;
    const preferences = edit(preferencesOf(person));
    checkPreferences(preferences);
    return { person: { ...person, preferences }, preferences };
  });
  if (change === undefined) throw noUser();
  return change.preferences;
}

function noUser(): WeftError {
  return new WeftError("NOT_FOUND", "there is no such user");
}
