import { decodePageToken, encodePageToken, invalidPageToken, pageSize } from "@weft/filter";
import { WeftError } from "@weft/kit";
import { adminRole, type Principal } from "@weft/security";
import { markRead, type Notification } from "../domain/notification.ts";
import type { Parts } from "./parts.ts";

const pageLimits = { default: 50, max: 500 };

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

export interface ListInput {
  readonly userId: string;
  /** 0 means 50; over 500 is taken as 500. */
  readonly size: number;
  readonly pageToken: string;
}

export interface Page {
  readonly notifications: readonly Notification[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** Newest first. `INVALID_PAGE_TOKEN` for a token of another inbox. */
export async function list(parts: Parts, { userId, size, pageToken }: ListInput): Promise<Page> {
  const limit = pageSize(size, pageLimits);
  const query = JSON.stringify(["notifications", userId]);
  const before = pageToken === "" ? undefined : decodePageToken(pageToken, query)["before"];
  if (before !== undefined && typeof before !== "number") {
    throw invalidPageToken();
  }
  const person = await parts.people.get(userId);
  if (person.state === "deleted") return { notifications: [], nextPageToken: "" };
  const found = await parts.inbox.newest(userId, limit + 1, before);
  const notifications = found.slice(0, limit);
  const last = notifications.at(-1);
  const more = found.length > limit && last !== undefined;
  return { notifications, nextPageToken: more ? encodePageToken({ before: last.sequence }, query) : "" };
}

function maySee(caller: Principal | undefined, userId: string): boolean {
  return caller !== undefined && (caller.subject === userId || caller.roles.includes(adminRole));
}

function notFound(): WeftError {
  return new WeftError("NOT_FOUND", "there is no such notification");
}
