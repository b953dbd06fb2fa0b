import { ManualClock, WeftError } from "@weft/kit";
import { completeFailurePolicy } from "@weft/pubsub";
import { expect, test } from "vitest";
import { Lane } from "./lane.ts";
import type { Source } from "./source.ts";

const full = (): never => {
  throw new WeftError("RESOURCE_EXHAUSTED", "the disk is full");
};

/** Has something at any time, and nothing to give. */
const idle: Source = { read: () => [], settle: () => {}, flush: () => {}, readyAt: () => 0 };

test.each<[string, Partial<Source>]>([
  ["to be read", { read: full }],
  ["what was acknowledged", { flush: full }],
])("a lane rests after the file refused %s", async (_, refusing) => {
  const clock = new ManualClock(1000);
  const lane = new Lane({
    claim: { topic: "t", number: 0, owner: "one", epoch: 1 },
    source: { ...idle, ...refusing },
    clock,
    handle: async () => {},
    policy: completeFailurePolicy(),
    onPause: () => {},
    onGivenUp: () => {},
  });
  await expect(lane.step()).rejects.toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
  expect(lane.readyAt()).toBeGreaterThan(clock.now());
});
