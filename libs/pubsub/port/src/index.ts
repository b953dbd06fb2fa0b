export {
  attempt,
  type AttemptOptions,
  type CompleteFailurePolicy,
  completeFailurePolicy,
  type Outcome,
  pauseMs,
} from "./attempt.ts";
export { replayBatches } from "./batches.ts";
export type { CloudEvent } from "./cloud-event.ts";
export {
  deadLetterFields,
  deadLetterOf,
  deadLetterTopic,
  decodeFailed,
  encodeFailed,
  type Failed,
  failureAttributes,
  redriven,
  replayed,
  retryTopic,
} from "./failed.ts";
export { partitionOf } from "./partition.ts";
export type {
  DeadLetter,
  DeadLetterFilter,
  Delivery,
  FailurePolicy,
  GroupLag,
  GroupParked,
  KeyedEvent,
  PubSub,
  ReadOptions,
  ReplayOptions,
  StoredEvent,
  SubscribeOptions,
  Subscription,
  TopicInfo,
} from "./pubsub.ts";
export { TimeLimit, TriedTooLong } from "./time-limit.ts";
export {
  checkDeadLetterFilter,
  checkEvent,
  checkName,
  checkRead,
  checkReplay,
  checkSubscribe,
  maxDataBytes,
} from "./validate.ts";
