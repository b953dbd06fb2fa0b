import { ManualClock, WeftError } from "@weft/kit";
import { completeFailurePolicy, type Delivery, type Failed } from "@weft/pubsub";
import { expect, test } from "vitest";
import { afterAll } from "./fetcher.ts";
import { type Item, Lane, type LaneOptions, type Parked } from "./lane.ts";
import type { KafkaRecord } from "./protocol.ts";
import { Slots } from "./slots.ts";

const id = { topic: "t", partition: 0 };

function record(offset: number): KafkaRecord {
  return { key: null, value: Buffer.alloc(100), timestamp: "0", offset: String(offset) };
}

const records = (from: number, to: number): KafkaRecord[] =>
  Array.from({ length: to - from + 1 }, (_, index) => record(from + index));

function delivery({ offset }: KafkaRecord): Delivery {
  const event = { id: offset, source: "/s", type: "T", time: 0, dataContentType: "x/y", data: new Uint8Array(0) };
  return { key: "k", event: { ...event, extensions: {} }, ...id, offset: BigInt(offset), attempt: 1 };
}

function failed(offset: number, due: number): Failed {
  return {
    delivery: delivery(record(offset)),
    attempts: 1,
    round: 1,
    reason: "INTERNAL",
    detail: "no",
    time: 0,
    due,
  };
}

function open(options: Partial<LaneOptions> = {}) {
  const clock = new ManualClock(1000);
  const handled: string[] = [];
  const parked: Parked[] = [];
  const lane = new Lane({
    id,
    position: 5n,
    slots: new Slots(1),
    clock,
    policy: completeFailurePolicy({ immediateAttempts: 1, retryDelaysMs: [50] }),
    handle: async ({ event }) => void handled.push(event.id),
    read: (from): Item => ({ kind: "delivery", delivery: delivery(from) }),
    park: async (outcome) => void parked.push(outcome),
    onProgress: () => {},
    onHungry: () => {},
    onPause: () => {},
    ...options,
  });
  return { lane, clock, handled, parked };
}

/** Lets everything run that waits for nothing but its turn. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("what may be committed ends before the first delivery that is not acknowledged", async () => {
  const gates = new Map([6, 7, 8].map((offset) => [String(offset), Promise.withResolvers<void>()]));
  const { lane } = open({ handle: async ({ event }) => gates.get(event.id)?.promise });
  lane.offer(records(5, 8), 9n);
  await settled();
  expect([lane.position, lane.fetchPosition]).toEqual([6n, 9n]);
  gates.get("7")?.resolve();
  await settled();
  expect(lane.position).toBe(6n);
  gates.get("6")?.resolve();
  await settled();
  expect(lane.position).toBe(8n);
  gates.get("8")?.resolve();
  await settled();
  expect(lane.position).toBe(9n);
});

test("records before the position, with which a batch may begin, are no deliveries", async () => {
  const { lane, handled } = open();
  lane.offer(records(3, 6), 7n);
  await settled();
  expect(handled).toEqual(["5", "6"]);
  expect(lane.position).toBe(7n);
});

test("what the log has no more is skipped behind what is in hand", async () => {
  const gate = Promise.withResolvers<void>();
  const { lane } = open({ handle: () => gate.promise });
  lane.offer(records(5, 6), 7n);
  lane.skipTo(20n);
  expect([lane.position, lane.fetchPosition]).toEqual([5n, 20n]);
  gate.resolve();
  await settled();
  expect(lane.position).toBe(7n);
  lane.skipTo(30n);
  expect([lane.position, lane.fetchPosition]).toEqual([30n, 30n]);
});

test("P7 a lane that has enough asks for no more until it has worked some off", async () => {
  const gate = Promise.withResolvers<void>();
  let hungry = 0;
  const { lane } = open({ handle: () => gate.promise, onHungry: () => (hungry += 1) });
  expect(lane.hungry).toBe(true);
  lane.offer(records(5, 5 + 600), 606n);
  await settled();
  expect([lane.hungry, hungry]).toEqual([false, 0]);
  gate.resolve();
  await settled();
  await settled();
  expect([lane.hungry, hungry]).toEqual([true, 1]);
});

test("a retry waits for its time, and others of the subscription do not wait for it", async () => {
  const slots = new Slots(1);
  const read = (from: KafkaRecord): Item => {
    const earlier = failed(Number(from.offset), 3000);
    return { kind: "delivery", delivery: earlier.delivery, earlier };
  };
  const { lane, clock, handled } = open({ slots, read });
  lane.offer([record(5)], 6n);
  await settled();
  expect(handled).toEqual([]);
  const other = open({ slots });
  other.lane.offer([record(5)], 6n);
  await settled();
  expect(other.handled).toEqual(["5"]);
  await clock.advance(2000);
  await settled();
  expect(handled).toEqual(["5"]);
});

test("a failure is written beside the partition before its offset counts as acknowledged, however often that fails", async () => {
  let broken = true;
  const pauses: number[] = [];
  const parked: Parked[] = [];
  let tries = 0;
  const { lane, clock } = open({
    handle: async () => {
      tries += 1;
      throw new Error("no");
    },
    park: async (outcome) => {
      if (broken) throw new WeftError("UNAVAILABLE", "no broker");
      parked.push(outcome);
    },
    onPause: (_, waitMs) => pauses.push(waitMs),
  });
  lane.offer([record(5)], 6n);
  await settled();
  expect([lane.position, pauses.length]).toEqual([5n, 1]);
  broken = false;
  await clock.advance(5000);
  await settled();
  expect(parked).toMatchObject([{ kind: "retry", failed: { attempts: 1, round: 1, due: 1050 } }]);
  expect(lane.position).toBe(6n);
  expect(tries).toBe(1);
});

test("a transient failure holds the partition and uses up no attempt", async () => {
  let down = true;
  const { lane, clock, parked } = open({
    handle: async () => {
      if (down) throw new WeftError("UNAVAILABLE", "down");
    },
  });
  lane.offer(records(5, 6), 7n);
  await settled();
  expect(lane.position).toBe(5n);
  down = false;
  await clock.advance(200);
  await settled();
  expect([lane.position, parked.length]).toEqual([7n, 0]);
});

test("a stop lets the delivery in hand end, and begins no other", async () => {
  const gate = Promise.withResolvers<void>();
  const begun: string[] = [];
  const { lane } = open({
    handle: async ({ event }) => {
      begun.push(event.id);
      await gate.promise;
    },
  });
  lane.offer(records(5, 6), 7n);
  await settled();
  const stopped = lane.stop(1000);
  gate.resolve();
  await stopped;
  expect([begun, lane.position, lane.hungry]).toEqual([["5"], 6n, false]);
});

test("a handler that outlasts the grace hears of it, and what it does then does not count", async () => {
  const aborted = Promise.withResolvers<void>();
  const { lane, clock } = open({
    handle: (_, signal) =>
      new Promise((resolve) => {
        signal.addEventListener("abort", () => {
          aborted.resolve();
          resolve();
        });
      }),
  });
  lane.offer([record(5)], 6n);
  await settled();
  const stopped = lane.stop(1000);
  await clock.advance(1000);
  await aborted.promise;
  await stopped;
  expect(lane.position).toBe(5n);
});

test("the offset after a batch counts what compaction took out of its end", () => {
  const batchContext = { firstOffset: "10", lastOffsetDelta: 9 };
  expect(afterAll([{ ...record(12), batchContext }])).toBe(20n);
  expect(afterAll([record(12)])).toBe(13n);
});
