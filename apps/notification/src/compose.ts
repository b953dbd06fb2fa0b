import { once } from "node:events";
import type { Clock, Log, NewId } from "@weft/kit";
import type { Delivery, PubSub } from "@weft/pubsub";
import type { ServiceHost, ServiceParts } from "@weft/service";
import type { StateStore } from "@weft/state";
import { Changes } from "./app/changes.ts";
import { keepDelivering } from "./app/deliver.ts";
import { takeIn } from "./app/events.ts";
import type { Parts } from "./app/parts.ts";
import { openSmtpSender } from "./channels/smtp.ts";
import { openWebhookSender } from "./channels/webhook.ts";
import { decodeEvent } from "./rpc/decode.ts";
import { notificationService } from "./rpc/service.ts";
import type { NotificationConfig } from "./settings.ts";
import { Inbox } from "./store/inbox.ts";
import { Jobs } from "./store/jobs.ts";
import { keys } from "./store/keys.ts";
import { People } from "./store/people.ts";

const topic = "weft.user.v1";
const group = "notification";

/** What this service needs of its host. */
export type NotificationHost = Pick<
  ServiceHost<NotificationConfig>,
  "config" | "clock" | "newId" | "stack" | "blocks" | "background" | "readiness"
> & { readonly log: Log };

/** The notification service out of its building blocks. */
export async function compose(host: NotificationHost): Promise<ServiceParts> {
  const { config, clock, newId, log, stack, blocks } = host;
  const [store, pubsub] = await Promise.all([blocks.state("notification"), blocks.pubsub()]);
  const smtp = config.smtp && stack.use(openSmtpSender({ url: config.smtp, from: config.mailFrom }));
  const webhook = openWebhookSender({ allowPrivate: config.webhookAllowPrivate });
  const parts = composeParts({
    store,
    senders: smtp === undefined ? { webhook } : { webhook, email: smtp },
    clock,
    newId,
    log,
  });
  host.background("events", (signal) => consume(parts, pubsub, signal));
  host.background("deliveries", (signal) => keepDelivering(parts, { maxAttempts: config.maxAttempts, log }, signal));
  host.readiness("state", async () => void (await store.get(keys.changed)));
  return { services: [notificationService(parts)] };
}

export interface PartsOptions extends Pick<Parts, "senders" | "clock" | "newId"> {
  readonly store: StateStore;
  readonly clock: Clock;
  readonly newId: NewId;
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

/** Takes in the events of accounts until the signal aborts. */
export async function consume(parts: Parts, pubsub: PubSub, signal: AbortSignal): Promise<void> {
  await pubsub.ensureTopic(topic, { partitions: 8 });
  const handle = async ({ event }: Delivery): Promise<void> => {
    const told = decodeEvent(event);
    if (told !== undefined) await takeIn(parts, told);
  };
  await using subscription = await pubsub.subscribe({ group, topics: [topic], handle });
  if (!signal.aborted) await Promise.race([once(signal, "abort"), subscription.ended]);
}
