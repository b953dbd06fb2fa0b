import { describeLaws, type Law } from "@weft/kit/testing";
import { crashLaws } from "./crash-laws.ts";
import { deliveryLaws } from "./delivery-laws.ts";
import { failureLaws } from "./failure-laws.ts";
import type { PubSubFixture } from "./fixture.ts";
import { groupLaws } from "./group-laws.ts";
import { overviewLaws } from "./overview-laws.ts";
import { readLaws } from "./read-laws.ts";
import { replayLaws } from "./replay-laws.ts";

export type { PubSubFixture } from "./fixture.ts";
export { killedProcessesLoseNothing, type KilledProcessesOptions } from "./killed-processes.ts";
export { pubsubOperations } from "./operations.ts";

/** Every law of `PubSub`, as data: a test can run one of them by itself. */
export const pubSubLaws: readonly Law<PubSubFixture>[] = [
  ...deliveryLaws,
  ...groupLaws,
  ...crashLaws,
  ...failureLaws,
  ...readLaws,
  ...replayLaws,
  ...overviewLaws,
];

/** Runs the laws of `PubSub` against an adapter, each on a fixture of its own. */
export function describePubSubConformance(name: string, open: () => Promise<PubSubFixture>): void {
  describeLaws(`pubsub conformance: ${name}`, pubSubLaws, open);
}
