export type { CloudEvent } from "./cloud-event.ts";
export type { DeadLetter, Delivery, FailurePolicy, GroupLag, KeyedEvent, PubSub, SubscribeOptions, Subscription } from "./pubsub.ts";
