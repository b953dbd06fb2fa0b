import { decodePageToken, encodePageToken } from "@weft/filter";
import { WeftError } from "@weft/kit";
import type { Principal } from "@weft/security";
import { markRead, type Notification } from "../domain/notification.ts";
import type { Parts } from "./parts.ts";

/** A notification of the caller's, or anybody's for an administrator. Others' are `NOT_FOUND`: that they exist is nobody's business. */
export async function get(parts: Parts, caller: Principal | undefined, id: string): Promise<Notification> {
  const notification = await parts.inbox.find(id);
  if (notification === undefined || !maySee(caller, notification.userId)) throw notFound();
  const person = await parts.people.get(notification.userId);
  if (person.state === "deleted") throw notFound();
  return notification;
}

/** Marks it read, and answers it; a second time changes nothing. */
export async function read(parts: Parts, caller: Principal | undefined, id: string): Promise<Notification> {
  await get(parts, caller, id);
  const changed = await parts.inbox.update(id, (notification) => markRead(notification, parts.clock.now()));
  if (changed === undefined) throw notFound();
  return changed;
}

export interface Page {
  readonly notifications: readonly Notification[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** Newest first. `INVALID_PAGE_TOKEN` for a token of another inbox. */
export async function list(
  parts: Parts,
  { userId, pageSize, pageToken }: { readonly userId: string; readonly pageSize: number; readonly pageToken: string },
): Promise<Page> {
  const query = JSON.stringify(["notifications", userId]);
  const before = pageToken === "" ? undefined : decodePageToken(pageToken, query)["before"];
  if (before !== undefined && typeof before !== "number") {
    throw new WeftError("INVALID_PAGE_TOKEN", "the page token was not issued for this request");
  }
  const person = await parts.people.get(userId);
  if (person.state === "deleted") return { notifications: [], nextPageToken: "" };
  const found = await parts.inbox.newest(userId, pageSize + 1, before);
  const notifications = found.slice(0, pageSize);
  const last = notifications.at(-1);
  const more = found.length > pageSize && last !== undefined;
  return { notifications, nextPageToken: more ? encodePageToken({ before: last.sequence }, query) : "" };
}

function maySee(caller: Principal | undefined, userId: string): boolean {
  return caller !== undefined && (caller.subject === userId || caller.roles.includes("admin"));
}

function notFound(): WeftError {
  return new WeftError("NOT_FOUND", "there is no such notification");
}
