import type { ToldEvent } from "./history.ts";
import type { Life } from "./life.ts";

/** One group that takes in events. */
export interface TestConsumer {
  /** One delivery: resolves when it would be acknowledged. All calls on a store go through `life`. */
  take(event: ToldEvent, life: Life): Promise<void>;
  /** What is to be seen of these events, as far as it is promised. */
  outcome(events: readonly ToldEvent[]): Promise<unknown>;
  /** What should be seen when each of them has been acknowledged, in some order: trivial enough to be right at sight. */
  expected(events: readonly ToldEvent[]): unknown;
}

/** Consumers on one store. Keys and ids of events are never used again, so one fixture serves many histories. */
export interface ConsumersFixture extends AsyncDisposable {
  /** Groups that are told the same. */
  readonly consumers: readonly TestConsumer[];
  /** How long they remember, in milliseconds. Unset: for ever. */
  readonly rememberMs?: number;
  pass(ms: number): Promise<void>;
}
