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

test("a partition that goes over to a broker from which nothing was wanted is fetched from there", async () => {
  const clock = new ManualClock();
  const [moving, full] = [laneOf(0, clock), laneOf(1, clock)];
  const records = Array.from({ length: 600 }, (_, n) => ({
    key: null,
    value: null,
    timestamp: "0",
    offset: String(n),
  }));
  full.offer(records, 600n);
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
