export {
  attempt,
  type AttemptOptions,
  type CompleteFailurePolicy,
  completeFailurePolicy,
  type Outcome,
  pauseMs,
} from "./attempt.ts";
export type { CloudEvent } from "./cloud-event.ts";
export {
  deadLetterOf,
  deadLetterTopic,
  decodeFailed,
  encodeFailed,
  type Failed,
  redriven,
  retryTopic,
} from "./failed.ts";
export { partitionOf } from "./partition.ts";
export type {
  DeadLetter,
  Delivery,
  FailurePolicy,
  GroupLag,
  KeyedEvent,
  PubSub,
  SubscribeOptions,
  Subscription,
} from "./pubsub.ts";
export { checkEvent, checkName, checkSubscribe, maxDataBytes } from "./validate.ts";
