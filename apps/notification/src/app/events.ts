import type { Draft } from "../domain/notification.ts";
import { type Account, type DeletedPerson, withAccount } from "../domain/person.ts";
import { notify } from "./notify.ts";
import type { Parts } from "./parts.ts";

/** What happened to an account. */
export type AccountEvent =
  | { readonly kind: "created" | "updated"; readonly account: Account }
  | { readonly kind: "deleted"; readonly userId: string; readonly version: number };

/**
 * Takes in an event, however often and in whatever order events come: a person is welcomed once, an older state never
 * replaces a newer one, and who was deleted stays deleted.
 */
export async function takeIn(parts: Parts, event: AccountEvent): Promise<void> {
  if (event.kind === "deleted") return forget(parts, event.userId, event.version);
  const { account, kind } = event;
  const change = await parts.people.change(account.userId, (before) => {
    if (before.state === "deleted") return undefined;
    const person = withAccount(before, account);
    // Not by version: an update that came first must not cost anybody the welcome.
    if (kind === "created" && !person.welcomed) return notify(parts, { ...person, welcomed: true }, welcome(account));
    return person === before ? undefined : { person };
  });
  if (change !== undefined) parts.changes.wake();
}

/** The mark comes first: from then on nothing is added, so what is there can be removed bit by bit, and again after a crash. */
async function forget(parts: Parts, userId: string, version: number): Promise<void> {
  await parts.people.change(userId, (before) => {
    if (before.state === "deleted") return undefined;
    const person: DeletedPerson = { state: "deleted", userId, version };
    return { person };
  });
  await parts.inbox.removeAll(userId);
  parts.changes.wake();
}

function welcome({ userId, name }: Account): Draft {
  return {
    // The same at every delivery of the event.
    id: `welcome-${userId}`,
    type: "welcome",
    title: `Welcome to Weft, ${name}`.slice(0, 200),
    body: `Hello ${name}, your account is ready.`,
  };
}
