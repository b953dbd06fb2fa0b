import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  Channel as ChannelPb,
  DeliveryState as StatePb,
  type NotificationSchema,
  type PreferencesSchema,
} from "@weft/contracts/notification";
import type { DeliveryState, Notification } from "../domain/notification.ts";
import type { Channel, Preferences } from "../domain/preferences.ts";

const channels: Readonly<Record<Channel, ChannelPb>> = {
  "in-app": ChannelPb.IN_APP,
  email: ChannelPb.EMAIL,
  webhook: ChannelPb.WEBHOOK,
};

const states: Readonly<Record<DeliveryState, StatePb>> = {
  pending: StatePb.PENDING,
  delivered: StatePb.DELIVERED,
  failed: StatePb.FAILED,
  suppressed: StatePb.SUPPRESSED,
};

export function encodeNotification(notification: Notification): MessageInitShape<typeof NotificationSchema> {
  const { id, userId, type, title, body, createTime, readTime, deliveries } = notification;
  return {
    id,
    userId,
    type,
    title,
    body,
    read: readTime !== undefined,
    createTime: timestampFromMs(createTime),
    ...(readTime !== undefined && { readTime: timestampFromMs(readTime) }),
    deliveries: deliveries.map(({ channel, state, time, reason }) => ({
      channel: channels[channel],
      state: states[state],
      time: timestampFromMs(time),
      reason,
    })),
  };
}

export function encodePreferences(
  userId: string,
  { channels: wanted, quietHours, locale, webhookUrl }: Preferences,
): MessageInitShape<typeof PreferencesSchema> {
  return {
    userId,
    channels: wanted.map((channel) => channels[channel]),
    ...(quietHours !== undefined && { quietHours }),
    locale,
    webhookUrl,
  };
}
