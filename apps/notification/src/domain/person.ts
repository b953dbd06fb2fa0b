import { defaultPreferences, type Preferences } from "./preferences.ts";

/** Somebody who has an inbox. */
export interface PresentPerson {
  readonly state: "present";
  readonly userId: string;
  /** Of the last event that was taken in; 0 before any. */
  readonly version: number;
  readonly name: string;
  /** Where mail goes. Never logged. */
  readonly email: string;
  /** Of their account; preferences may say another. */
  readonly locale: string;
  readonly welcomed: boolean;
  /** Of their last notification. */
  readonly sequence: number;
  /** Unset until they say something. */
  readonly preferences?: Preferences;
}

/** What stays of somebody who was deleted, for good: so no event can bring them back, however late it comes. */
export interface DeletedPerson {
  readonly state: "deleted";
  readonly userId: string;
  readonly version: number;
}

export type Person = PresentPerson | DeletedPerson;

/** The account as an event tells it. */
export interface Account {
  readonly userId: string;
  readonly version: number;
  readonly name: string;
  readonly email: string;
  readonly locale: string;
}

/** Somebody of whom nothing is known yet. */
export function newPerson(userId: string): PresentPerson {
  return { state: "present", userId, version: 0, name: "", email: "", locale: "", welcomed: false, sequence: 0 };
}

/** The person after an event; as before when it is older than what is known. */
export function withAccount(person: PresentPerson, account: Account): PresentPerson {
  return account.version > person.version ? { ...person, ...account } : person;
}

export function preferencesOf(person: PresentPerson): Preferences {
  return person.preferences ?? { ...defaultPreferences, locale: person.locale };
}
