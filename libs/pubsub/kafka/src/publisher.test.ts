import { ManualClock, silentLog, WeftError } from "@weft/kit";
import type { Producer, ProducerBatch } from "kafkajs";
import { expect, test } from "vitest";
import type { OutgoingRecord } from "./protocol.ts";
import { Publisher, type Sender } from "./publisher.ts";

const record = (key: string, bytes = 8): OutgoingRecord => ({ key, value: Buffer.alloc(bytes), headers: {} });

function open(answer: (batch: ProducerBatch) => Promise<void> = async () => {}) {
  const clock = new ManualClock(0);
  const sent: string[][] = [];
  const missing: string[] = [];
  const producer: Pick<Producer, "sendBatch"> = {
    async sendBatch(batch) {
      sent.push((batch.topicMessages ?? []).flatMap(({ messages }) => messages.map(({ key }) => String(key))));
      await answer(batch);
      return [];
    },
  };
  const sender: Sender = { once: (_what, _timeoutMs, work) => work(producer) };
  const publisher = new Publisher({
    sender,
    clock,
    log: silentLog,
    gzip: false,
    deadlineMs: 1000,
    onMissing: async (topic) => void missing.push(topic),
  });
  return { publisher, clock, sent, missing };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test("calls of one turn travel together, those that come meanwhile with the next request, and one at a time", async () => {
  const gate = Promise.withResolvers<void>();
  const { publisher, sent } = open(() => gate.promise);
  const first = [publisher.publish("t", [record("a"), record("b")]), publisher.publish("u", [record("c")])];
  await settled();
  const second = [publisher.publish("t", [record("d")]), publisher.publish("t", [record("e")])];
  await settled();
  expect(sent).toEqual([["a", "b", "c"]]);
  gate.resolve();
  await Promise.all([...first, ...second]);
  expect(sent).toEqual([
    ["a", "b", "c"],
    ["d", "e"],
  ]);
});

test("a request stays under what a broker takes, and a call that is larger is sent in parts", async () => {
  const { publisher, sent } = open();
  await Promise.all([
    publisher.publish("t", [record("a", 600_000), record("b", 600_000)]),
    publisher.publish("t", [record("c", 300_000)]),
  ]);
  expect(sent).toEqual([["a"], ["b", "c"]]);
});

test("after a failure that may pass, the very same events are sent again, before any other", async () => {
  let failures = 2;
  const { publisher, clock, sent } = open(async () => {
    failures -= 1;
    if (failures >= 0) throw new WeftError("UNAVAILABLE", "no broker");
  });
  const first = publisher.publish("t", [record("a")]);
  await settled();
  const second = publisher.publish("t", [record("b")]);
  for (let n = 0; n < 4; n += 1) {
    await clock.advance(100);
    await settled();
  }
  await Promise.all([first, second]);
  expect(sent).toEqual([["a"], ["a"], ["a"], ["b"]]);
});

test("the deadline of a call ends its waiting, in the request or behind it", async () => {
  const { publisher, clock } = open(async () => {
    throw new WeftError("UNAVAILABLE", "no broker");
  });
  const calls = [publisher.publish("t", [record("a")])];
  await settled();
  calls.push(publisher.publish("t", [record("b")]));
  const results = Promise.allSettled(calls);
  for (let n = 0; n < 30; n += 1) {
    await clock.advance(100);
    await settled();
  }
  expect((await results).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  await publisher.flush();
});

test("one bad call does not fail those that travelled with it", async () => {
  const { publisher } = open(async ({ topicMessages = [] }) => {
    const keys = topicMessages.flatMap(({ messages }) => messages.map(({ key }) => key));
    if (keys.includes("bad")) throw new WeftError("PAYLOAD_TOO_LARGE", "too large");
  });
  const results = await Promise.allSettled(["a", "bad", "b"].map((key) => publisher.publish("t", [record(key)])));
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
});

test("a topic that is gone is made again", async () => {
  let gone = true;
  const { publisher, clock, missing } = open(async () => {
    if (!gone) return;
    gone = false;
    const cause = Object.assign(new Error("gone"), { type: "UNKNOWN_TOPIC_OR_PARTITION" });
    throw new WeftError("UNAVAILABLE", "gone", { cause });
  });
  const done = publisher.publish("t", [record("a")]);
  await settled();
  await clock.advance(100);
  await done;
  expect(missing).toEqual(["t"]);
});

test("what waits is bounded, and a large call is sent all the same", async () => {
  const { publisher } = open();
  const written = publisher.publish(
    "t",
    Array.from({ length: 50_001 }, () => record("a", 0)),
  );
  await expect(publisher.publish("t", [record("b")])).rejects.toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
  await written;
});
