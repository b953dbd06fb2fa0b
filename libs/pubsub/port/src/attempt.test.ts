import { ManualClock, WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import {
  attempt,
  completeFailurePolicy,
  decodeFailed,
  encodeFailed,
  type Delivery,
  type Failed,
  pauseMs,
  TriedTooLong,
} from "./index.ts";
import { partitionOf } from "./partition.ts";

const delivery: Delivery = {
  topic: "weft.user.v1",
  partition: 3,
  offset: 12n,
  attempt: 1,
  key: "k",
  event: {
    id: "e1",
    source: "/weft/user",
    type: "T",
    time: 1,
    dataContentType: "text/plain",
    data: new Uint8Array([1]),
    extensions: { aggregateversion: "1" },
  },
};
const policy = completeFailurePolicy({ immediateAttempts: 3, retryDelaysMs: [1000, 5000] });

async function run(handle: (delivery: Delivery) => Promise<void>, earlier?: Failed, signal = AbortSignal.any([])) {
  const clock = new ManualClock(1_000_000);
  const outcome = attempt(delivery, { handle, policy, signal, clock, random: () => 0.5, ...(earlier && { earlier }) });
  await clock.advance(10_000);
  return outcome;
}

test("tries in place are counted, then the retry topics, then the dead letters", async () => {
  const seen: number[] = [];
  const fail = async (given: Delivery): Promise<void> => {
    seen.push(given.attempt);
    throw new WeftError("INVALID_ARGUMENT", "no");
  };
  const first = await run(fail);
  if (first.kind !== "retry") throw new Error(first.kind);
  expect(first.failed).toMatchObject({ attempts: 3, round: 1, reason: "INVALID_ARGUMENT", detail: "no" });
  expect(first.failed.due - first.failed.time).toBe(1000);
  const second = await run(fail, decodeFailed(encodeFailed(first.failed)));
  if (second.kind !== "retry") throw new Error(second.kind);
  expect(second.failed.due - second.failed.time).toBe(5000);
  const third = await run(fail, decodeFailed(encodeFailed(second.failed)));
  expect(third).toMatchObject({ kind: "dead", failed: { attempts: 5 } });
  expect(seen).toEqual([1, 2, 3, 4, 5]);
});

test("times are written down in whole milliseconds, whatever the clock and the policy say", async () => {
  const clock = new ManualClock(1000.25);
  const outcome = await attempt(delivery, {
    handle: () => Promise.reject(new Error("no")),
    policy: completeFailurePolicy({ immediateAttempts: 1, retryDelaysMs: [0.5] }),
    signal: AbortSignal.any([]),
    clock,
  });
  if (outcome.kind !== "retry") throw new Error(outcome.kind);
  expect(decodeFailed(encodeFailed(outcome.failed))).toEqual(outcome.failed);
  for (const delay of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => completeFailurePolicy({ retryDelaysMs: [delay] })).toThrow(
      expect.objectContaining({ reason: "INVALID_ARGUMENT" }),
    );
  }
});

test("a retryable failure pauses and uses up nothing", async () => {
  expect(await run(() => Promise.reject(new WeftError("UNAVAILABLE", "down")))).toMatchObject({ kind: "paused" });
});

test("one that took too long leaves its partition at once, however many tries it has left", async () => {
  let tries = 0;
  const outcome = await run(async () => {
    tries += 1;
    throw new TriedTooLong(5000);
  });
  expect(outcome).toMatchObject({ kind: "retry", failed: { attempts: 1, reason: "DEADLINE_EXCEEDED" } });
  expect(tries).toBe(1);
});

test("a failure after the abort is nobody's", async () => {
  const abort = new AbortController();
  const outcome = await run(
    () => {
      abort.abort();
      return Promise.reject(new Error("stopped"));
    },
    undefined,
    abort.signal,
  );
  expect(outcome).toEqual({ kind: "abandoned" });
});

test("the pause grows to 5 s, and hears what the target asks for", () => {
  const error = new WeftError("UNAVAILABLE", "down");
  expect([1, 2, 3, 20].map((count) => pauseMs(count, error, () => 1))).toEqual([100, 200, 400, 5000]);
  expect(pauseMs(1, new WeftError("UNAVAILABLE", "down", { retryAfterMs: 900 }), () => 0)).toBe(900);
});

test("a failed delivery is what it was once decoded", () => {
  const failed = { delivery, attempts: 1, round: 1, reason: "INTERNAL", detail: "ü\n", time: 5, due: 7 };
  const encoded = encodeFailed(failed);
  expect(Object.keys(encoded.event.extensions).every((name) => /^[a-z0-9]+$/.test(name))).toBe(true);
  expect(decodeFailed(encoded)).toEqual(failed);
  expect(() => decodeFailed(delivery)).toThrow(expect.objectContaining({ reason: "DATA_LOSS" }));
});

test("partitions of keys stay what they are", () => {
  // FNV-1a's published values for "", "a" and "foobar".
  expect(partitionOf("", 2 ** 32)).toBe(0x811c9dc5);
  expect(partitionOf("a", 2 ** 32)).toBe(0xe40c292c);
  expect(partitionOf("foobar", 2 ** 32)).toBe(0xbf9cf968);
});
