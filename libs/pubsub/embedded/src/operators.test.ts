import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Log, ManualClock, silentLog } from "@weft/kit";
import { Recorder, within } from "@weft/kit/testing";
import type { KeyedEvent } from "@weft/pubsub";
import { SqliteFile } from "@weft/sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { EventLog } from "./event-log.ts";
import { EmbeddedPubSub } from "./pubsub.ts";
import { schema } from "./schema.ts";

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "weft-operators-"));
});
afterEach(() => rm(dataDir, { recursive: true, force: true }));

function events(from: number, to: number): KeyedEvent[] {
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const id = String(from + index);
    const attributes = { id, source: "/s", type: "T", time: 0, dataContentType: "text/plain", extensions: {} };
    return { key: "k", event: { ...attributes, data: new Uint8Array(1) } };
  });
}

test("the first event at or after a time is found, whatever was dropped before it", () => {
  using file = new SqliteFile({ path: join(dataDir, "pubsub.db"), schema });
  const log = new EventLog(file);
  let topics = 0;
  const gaps = fc.array(fc.nat(3), { maxLength: 40 });
  fc.assert(
    fc.property(gaps, fc.nat(40), fc.nat(60), (times, dropped, time) => {
      const topic = `t${(topics += 1)}`;
      log.ensureTopic(topic, 1);
      let now = 0;
      const at = times.map((gap) => (now += gap));
      for (const when of at) log.append(topic, events(1, 1), when);
      file.run(
        "DELETE FROM event WHERE offset < ? AND partition = (SELECT id FROM partition WHERE topic = ?)",
        dropped,
        topic,
      );
      const expected = at.findIndex((when, offset) => offset >= dropped && when >= time);
      expect(log.offsetAt(topic, 0, time)).toBe(expected === -1 ? at.length : expected);
    }),
  );
});

test("an event that was given up is a line in the log, without what it carries", async () => {
  const lines: unknown[] = [];
  const warn: Log["warn"] = (fields, message) => void lines.push({ ...fields, message });
  await using pubsub = new EmbeddedPubSub({ dataDir, log: { ...silentLog, warn } });
  await pubsub.ensureTopic("t", { partitions: 1 });
  const failure = { immediateAttempts: 2, retryDelaysMs: [] };
  const handle = (): Promise<void> => Promise.reject(new Error("no such person as Ada"));
  await pubsub.subscribe({ group: "g", topics: ["t"], failure, handle });
  const [plain] = events(1, 1);
  if (plain === undefined) throw new Error("no event");
  await pubsub.publish("t", [{ ...plain, event: { ...plain.event, extensions: { traceparent: "00-ab-cd-01" } } }]);
  await within(10_000, "the line", () => lines.length > 0);
  expect(lines).toEqual([
    {
      message: "an event was given up, and is among the dead letters",
      event: "1",
      type: "T",
      topic: "t",
      partition: 0,
      offset: "0",
      group: "g",
      attempts: 2,
      reason: "INTERNAL",
      traceparent: "00-ab-cd-01",
    },
  ]);
});

test("a retry that comes due does not wait for all that is replayed", async () => {
  const clock = new ManualClock(Date.now());
  await using pubsub = new EmbeddedPubSub({ dataDir, clock });
  await pubsub.ensureTopic("t", { partitions: 1 });
  const count = 500;
  const handled: string[] = [];
  const again: string[] = [];
  let isLater = false;
  await pubsub.subscribe({
    group: "g",
    topics: ["t"],
    failure: { immediateAttempts: 1, retryDelaysMs: [50] },
    handle: async ({ event: { id }, attempt }) => {
      if (id === "late" && attempt === 1) throw new Error("no");
      // What is replayed waits until the retry is due as well.
      if (handled.length >= count && id !== "late") await within(10_000, "its time", () => isLater);
      (handled.length >= count ? again : handled).push(id);
    },
  });
  await pubsub.publish("t", events(1, count));
  await within(10_000, "all", () => handled.length === count);
  expect(await pubsub.replay({ topic: "t", group: "g", from: "earliest" })).toBe(count);
  const [late] = events(1, 1);
  if (late === undefined) throw new Error("no event");
  await pubsub.publish("t", [{ ...late, event: { ...late.event, id: "late" } }]);
  await within(10_000, "its failure", async () => (await pubsub.parked("g"))[0]?.waiting === count + 1);
  await clock.advance(1000);
  isLater = true;
  await within(20_000, "all again", async () => {
    await clock.advance(1000);
    return again.length === count + 1;
  });
  expect(again.indexOf("late")).toBeLessThan(count / 2);
  expect(again.filter((id) => id !== "late")).toEqual(events(1, count).map(({ event: { id } }) => id));
});

test("reading ends with an error when the handle is closed, and replaying too", async () => {
  const pubsub = new EmbeddedPubSub({ dataDir });
  await pubsub.publish("t", events(1, 3));
  const reader = new Recorder(pubsub.read({ topic: "t", follow: true }));
  await reader.until(10_000, "all", ({ event: { id } }) => id === "3");
  await pubsub[Symbol.asyncDispose]();
  await expect(reader.ended).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  await expect(Array.fromAsync(pubsub.read({ topic: "t" }))).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  const replay = pubsub.replay({ topic: "t", group: "g", from: "earliest" });
  await expect(replay).rejects.toMatchObject({ reason: "UNAVAILABLE" });
});

test("a redrive ends although what it puts back is given up again meanwhile", async () => {
  await using pubsub = new EmbeddedPubSub({ dataDir });
  let tries = 0;
  await pubsub.subscribe({
    group: "g",
    topics: ["t"],
    failure: { immediateAttempts: 1, retryDelaysMs: [] },
    handle: () => {
      tries += 1;
      return Promise.reject(new Error("no"));
    },
  });
  await pubsub.publish("t", events(1, 450));
  await within(20_000, "dead letters", async () => (await pubsub.parked("g"))[0]?.dead === 450);
  expect(await pubsub.redrive({ topic: "t", group: "g" })).toBe(450);
  await within(20_000, "dead letters again", async () => tries === 900 && (await pubsub.parked("g"))[0]?.dead === 450);
});
