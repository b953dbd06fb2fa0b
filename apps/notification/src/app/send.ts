import { createHash } from "node:crypto";
import { WeftError } from "@weft/kit";
import type { Draft, Notification } from "../domain/notification.ts";
import { keys } from "../store/keys.ts";
import type { Change } from "../store/people.ts";
import { notify } from "./notify.ts";
import type { Parts } from "./parts.ts";

export interface SendInput extends Omit<Draft, "id"> {
  /** Who asks: request ids are theirs. */
  readonly caller: string;
  readonly userId: string;
  /** Empty for a request that is never repeated. */
  readonly requestId: string;
}

/**
 * Puts a notification into somebody's inbox. A request id that was answered within a day gets the same answer, or
 * `IDEMPOTENCY_CONFLICT` when it asks for something else; `NOT_FOUND` for somebody who was deleted.
 */
export async function send(parts: Parts, input: SendInput): Promise<Notification> {
  const { caller, userId, requestId, type, title, body } = input;
  const fingerprint = createHash("sha256")
    .update(JSON.stringify([userId, type, title, body]))
    .digest("base64url");
  const key = keys.request(caller, requestId);
  const id = parts.newId();
  let earlier: string | undefined;
  const change = await parts.people.change(userId, async (person): Promise<Change | undefined> => {
    const answered = requestId === "" ? undefined : await parts.people.answered(key);
    if (answered !== undefined && answered.fingerprint !== fingerprint) {
      throw new WeftError("IDEMPOTENCY_CONFLICT", "the request id was used for another notification");
    }
    earlier = answered?.notificationId;
    if (earlier !== undefined) return undefined;
    if (person.state === "deleted") throw new WeftError("NOT_FOUND", "there is no such user");
    const added = notify(parts, person, { id, type, title, body });
    return requestId === "" ? added : { ...added, request: { key, value: { notificationId: id, fingerprint } } };
  });
  parts.changes.wake();
  const notification = change?.notification ?? (earlier === undefined ? undefined : await parts.inbox.find(earlier));
  if (notification === undefined) throw new WeftError("NOT_FOUND", "the notification was removed meanwhile");
  return notification;
}
