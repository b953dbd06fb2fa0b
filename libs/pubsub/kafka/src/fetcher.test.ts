import { ManualClock } from "@weft/kit";
import { completeFailurePolicy } from "@weft/pubsub";
import { expect, test } from "vitest";
import { Fetcher } from "./fetcher.ts";
import { Lane } from "./lane.ts";
import { Slots } from "./slots.ts";

/** Its handler never ends. */
function laneOf(partition: number, clock: ManualClock): Lane {
  const delivery = {
    key: "k",
    event: {
      id: "1",
      source: "/s",
      type: "T",
      time: 0,
      dataContentType: "x/y",
      data: new Uint8Array(0),
      extensions: {},
    },
    topic: "t",
    partition,
    offset: 0n,
    attempt: 1,
  };
  return new Lane({
    id: { topic: "t", partition },
    position: 0n,
    slots: new Slots(1),
    clock,
    policy: completeFailurePolicy(),
    handle: () => new Promise(() => {}),
    read: () => ({ kind: "delivery", delivery }),
    park: async () => {},
    onProgress: () => {},
    onHungry: () => {},
    onPause: () => {},
  });
}

function fullLane(partition: number, clock: ManualClock): Lane {
  const lane = laneOf(partition, clock);
  const record = (n: number) => ({ key: null, value: null, timestamp: "0", offset: String(n) });
  lane.offer(
    Array.from({ length: 600 }, (_, n) => record(n)),
    600n,
  );
  return lane;
}

test("a fetch that leaves out who has enough holds up nobody: it rests before, and waits for nothing at the broker", async () => {
  const clock = new ManualClock();
  const end = new AbortController();
  const waits: number[] = [];
  const fetcher = new Fetcher({
    cluster: {
      findBroker: async () => ({
        async fetch({ maxWaitTime = -1 }) {
          waits.push(maxWaitTime);
          return { responses: [] };
        },
      }),
      findLeaderForPartitions: (_topic, [partition = 0]) => ({ "1": [Number(partition)] }),
      refreshMetadata: async () => {},
    },
    lanes: [laneOf(0, clock), fullLane(1, clock)],
    clock,
    signal: end.signal,
    onGap: async ({ fetchPosition }) => fetchPosition,
  });
  const run = fetcher.run();
  await clock.advance(4);
  expect(waits).toEqual([]);
  await clock.advance(1);
  expect(waits).toEqual([0]);
  // Longer each time that it brought nothing, unless somebody is hungry again.
  await clock.advance(9);
  expect(waits).toEqual([0]);
  fetcher.wake();
  await clock.advance(0);
  expect(waits).toEqual([0, 0]);
  end.abort();
  await run;
});

test("a partition that goes over to a broker from which nothing was wanted is fetched from there", async () => {
  const clock = new ManualClock();
  const [moving, full] = [laneOf(0, clock), fullLane(1, clock)];
  const leaders = ["1", "2"];
  const fetched: string[] = [];
  const end = new AbortController();
  const fetcher = new Fetcher({
    cluster: {
      findBroker: async ({ nodeId }) => ({
        async fetch() {
          fetched.push(nodeId);
          if (nodeId === "1") throw Object.assign(new Error("moved"), { type: "NOT_LEADER_FOR_PARTITION" });
          end.abort();
          return { responses: [] };
        },
      }),
      findLeaderForPartitions: (_topic, [partition = 0]) => ({
        [leaders[Number(partition)] ?? ""]: [Number(partition)],
      }),
      refreshMetadata: async () => void (leaders[0] = "2"),
    },
    lanes: [moving, full],
    clock,
    signal: end.signal,
    onGap: async ({ fetchPosition }) => fetchPosition,
  });
  const run = fetcher.run();
  await clock.advance(200);
  expect(fetched).toEqual(["1", "2"]);
  await run;
});
