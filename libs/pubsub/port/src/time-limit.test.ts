import { ManualClock } from "@weft/kit";
import { expect, test } from "vitest";
import type { Delivery, SubscribeOptions } from "./pubsub.ts";
import { TimeLimit, TriedTooLong } from "./time-limit.ts";

const delivery: Delivery = {
  topic: "t",
  partition: 0,
  offset: 0n,
  attempt: 1,
  key: "k",
  event: {
    id: "1",
    source: "/s",
    type: "T",
    time: 0,
    dataContentType: "text/plain",
    data: new Uint8Array(0),
    extensions: {},
  },
};

function open(handle: SubscribeOptions["handle"]) {
  const clock = new ManualClock();
  const limit = new TimeLimit({ handle, handleTimeoutMs: 5000 }, clock);
  const lane = new AbortController();
  const outcomes: string[] = [];
  const run = (): void =>
    void limit.handle(delivery, lane.signal).then(
      () => outcomes.push("handled"),
      (error: unknown) => outcomes.push(error instanceof TriedTooLong ? "too long" : String(error)),
    );
  return { clock, limit, lane, outcomes, run };
}

test("a handler that ends in time is left alone, and so is the next", async () => {
  const signals: AbortSignal[] = [];
  const ends: (() => void)[] = [];
  const { clock, outcomes, run } = open((_, signal) => {
    signals.push(signal);
    return new Promise((resolve) => ends.push(resolve));
  });
  for (let count = 0; count < 3; count += 1) {
    run();
    await clock.advance(4999);
    ends[count]?.();
    await clock.advance(0);
  }
  expect(outcomes).toEqual(["handled", "handled", "handled"]);
  expect(signals.some(({ aborted }) => aborted)).toBe(false);
});

test("one whose time is up hears of it, and may still end well", async () => {
  let patient = true;
  const { clock, outcomes, run } = open(
    (_, signal) =>
      new Promise((resolve, reject) => {
        signal.addEventListener("abort", () => (patient ? resolve() : reject(new Error("stopped"))));
      }),
  );
  run();
  await clock.advance(5000);
  expect(outcomes).toEqual(["handled"]);
  patient = false;
  run();
  await clock.advance(4999);
  expect(outcomes).toHaveLength(1);
  await clock.advance(1);
  expect(outcomes).toEqual(["handled", "too long"]);
});

test("one that hears nothing is left behind, and the next has a signal of its own", async () => {
  const signals: AbortSignal[] = [];
  const { clock, outcomes, run, lane } = open((_, signal) => {
    signals.push(signal);
    return new Promise(() => {});
  });
  run();
  await clock.advance(5999);
  expect([signals[0]?.aborted, outcomes]).toEqual([true, []]);
  await clock.advance(1);
  expect(outcomes).toEqual(["too long"]);
  run();
  expect(signals[1]?.aborted).toBe(false);
  lane.abort();
  expect(signals[1]?.aborted).toBe(true);
});

test("what a handler throws, at once or later, is what comes of it", async () => {
  let sync = true;
  const { clock, outcomes, run } = open(() => {
    if (sync) throw new Error("at once");
    return Promise.reject(new Error("later"));
  });
  run();
  sync = false;
  run();
  await clock.advance(60_000);
  expect(outcomes).toEqual(["Error: at once", "Error: later"]);
});

test("once disposed it ends nothing", async () => {
  const { clock, limit, outcomes, run } = open(() => new Promise(() => {}));
  run();
  limit[Symbol.dispose]();
  run();
  await clock.advance(60_000);
  expect(outcomes).toEqual([]);
});
