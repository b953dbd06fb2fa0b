import { NotificationService } from "@weft/contracts/notification";
import { WeftError } from "@weft/kit";
import { type CallContext, implement, type ServiceImplementation } from "@weft/rpc";
import type { Parts } from "../app/parts.ts";
import { getPreferences, updatePreferences } from "../app/preferences.ts";
import { get, list, read } from "../app/read.ts";
import { send } from "../app/send.ts";
import { eventIdOf, watch } from "../app/watch.ts";
import { decodeEdit } from "./decode.ts";
import { encodeNotification, encodePreferences } from "./encode.ts";

/** `weft.notification.v1.NotificationService` over the use cases. */
export function notificationService(parts: Parts): ServiceImplementation {
  return implement(NotificationService, {
    send: async ({ userId, type, title, body, requestId }, context) => {
      const input = { caller: callerOf(context), userId, type, title, body, requestId };
      return { notification: encodeNotification(await send(parts, input)) };
    },
    get: async ({ id }, { principal }) => ({ notification: encodeNotification(await get(parts, principal, id)) }),
    list: async ({ userId, pageSize: size, pageToken }, context) => {
      const page = await list(parts, { userId: ownerOf(userId, context), size, pageToken });
      return { ...page, notifications: page.notifications.map(encodeNotification) };
    },
    markRead: async ({ id }, { principal }) => ({ notification: encodeNotification(await read(parts, principal, id)) }),
    async *watch({ userId, eventId }, context) {
      const request = { userId: ownerOf(userId, context), eventId, signal: context.signal };
      for await (const notification of watch(parts, { ...request, accept: () => context.accept() })) {
        yield { eventId: eventIdOf(notification), notification: encodeNotification(notification) };
      }
    },
    getPreferences: async ({ userId }) => ({
      preferences: encodePreferences(userId, await getPreferences(parts, userId)),
    }),
    updatePreferences: async ({ userId, preferences, updateMask }) => {
      // The contract asks for preferences, so a request without any does not come here.
      if (preferences === undefined) throw new WeftError("INVALID_ARGUMENT", "preferences are missing");
      if (preferences.userId !== "" && preferences.userId !== userId) {
        throw new WeftError("INVALID_ARGUMENT", "the preferences are of another user");
      }
      const edit = decodeEdit(preferences, updateMask?.paths ?? []);
      return { preferences: encodePreferences(userId, await updatePreferences(parts, userId, edit)) };
    },
  });
}

/** Whom a request is about: the caller, when it does not say. */
function ownerOf(userId: string, context: CallContext): string {
  return userId === "" ? callerOf(context) : userId;
}

function callerOf({ principal }: CallContext): string {
  if (principal === undefined) throw new WeftError("UNAUTHENTICATED", "a token is needed");
  return principal.subject;
}
