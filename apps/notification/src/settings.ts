import { type ConfigOf, setting } from "@weft/kit";

/** What can be configured at the notification service. */
export const settings = {
  smtp: setting.secret("notification.smtp", {
    about: "The mail server as smtp://user:password@host:port or smtps://…; without it no mail is sent.",
  }),
  mailFrom: setting.text("notification.mailFrom", {
    default: "Weft <no-reply@localhost>",
    about: "Sender of mails.",
  }),
  maxAttempts: setting.integer("notification.maxAttempts", {
    default: 5,
    min: 1,
    max: 20,
    about: "Tries of a mail or webhook before it is given up.",
  }),
  webhookAllowPrivate: setting.boolean("notification.webhookAllowPrivate", {
    default: false,
    about: "Webhooks may go to loopback and private addresses.",
  }),
};

/** The values of the settings. */
export type NotificationConfig = ConfigOf<typeof settings>;
