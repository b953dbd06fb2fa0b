import { openPubSub, openState } from "@weft/blocks";
import { readUserEvent, userTopic } from "@weft/contracts/event";
import type { Log } from "@weft/kit";
import type { CloudEvent } from "@weft/pubsub";
import { follow, type ServiceHost, type ServiceParts } from "@weft/service";
import type { StateStore } from "@weft/state";
import { Changes } from "./app/changes.ts";
import { keepDelivering } from "./app/deliver.ts";
import { takeIn } from "./app/events.ts";
import type { Parts } from "./app/parts.ts";
import { openSmtpSender } from "./channels/smtp.ts";
import { openWebhookSender } from "./channels/webhook.ts";
import { decodeEvent } from "./rpc/decode.ts";
import { notificationService } from "./rpc/notification-service.ts";
import type { NotificationConfig } from "./settings.ts";
import { Inbox } from "./store/inbox.ts";
import { Jobs } from "./store/jobs.ts";
import { keys } from "./store/keys.ts";
import { People } from "./store/people.ts";

const group = "notification";

type Host = Pick<
  ServiceHost<NotificationConfig>,
  "config" | "clock" | "newId" | "log" | "stack" | "blocks" | "background" | "readiness"
>;

/** The notification service out of its building blocks. */
export async function compose(host: Host): Promise<ServiceParts> {
  const { config, clock, newId, log, stack, blocks } = host;
  const [store, pubsub] = await Promise.all([openState(blocks, "notification"), openPubSub(blocks)]);
  const smtp = config.smtp && stack.use(openSmtpSender({ url: config.smtp, from: config.mailFrom }));
  const webhook = openWebhookSender({ allowPrivate: config.webhookAllowPrivate });
  const parts = composeParts({
    store,
    senders: smtp === undefined ? { webhook } : { webhook, email: smtp },
    clock,
    newId,
    log,
  });
  const handle = async (event: CloudEvent): Promise<void> => {
    const told = readUserEvent(event);
    if (told !== undefined) await takeIn(parts, decodeEvent(told));
  };
  host.background("events", (signal) => follow({ pubsub, topic: userTopic, group, handle, log, clock }, signal));
  host.background("deliveries", (signal) => keepDelivering(parts, { maxAttempts: config.maxAttempts, log }, signal));
  host.readiness("state", async () => void (await store.get(keys.changed)));
  return { services: [notificationService(parts)] };
}

export interface PartsOptions extends Pick<Parts, "senders" | "clock" | "newId"> {
  readonly store: StateStore;
  readonly log: Log;
}

/** What use cases work with, on one store. */
export function composeParts({ store, senders, clock, newId, log }: PartsOptions): Parts {
  const changes = new Changes({
    stamp: async () => (await store.get(keys.changed))?.etag,
    clock,
    onError: (err) => log.warn({ err }, "the store can't be asked for changes"),
  });
  return { people: new People(store), inbox: new Inbox(store), jobs: new Jobs(store), changes, senders, clock, newId };
}
