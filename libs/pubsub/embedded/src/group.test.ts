import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { KeyedEvent } from "@weft/pubsub";
import { SqliteFile } from "@weft/sqlite";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lanesOf } from "./assignment.ts";
import { EventLog } from "./event-log.ts";
import { Group } from "./group.ts";
import { schema } from "./schema.ts";

let folder: string;
let file: SqliteFile;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-pubsub-"));
  file = new SqliteFile({ path: join(folder, "pubsub.db"), schema });
});
afterEach(async () => {
  file[Symbol.dispose]();
  await rm(folder, { recursive: true, force: true });
});

const event = (n: number, bytes = 1): KeyedEvent => ({
  key: "k",
  event: {
    id: `e${n}`,
    source: "/s",
    type: "T",
    time: n,
    dataContentType: "text/plain",
    data: new Uint8Array(bytes),
    extensions: {},
  },
});

test("every lane goes to exactly one member, in shares that differ by one", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 9 }),
      fc.nat(20),
      (ids, count) => {
        const members = ids.map((id) => ({ id, topics: ["t"] }));
        const shares = ids.map((id) => lanesOf(id, members, new Map([["t", count]])));
        const numbers = shares.flatMap((lanes) => lanes.map((lane) => lane.number)).sort((a, b) => a - b);
        expect(numbers).toEqual(Array.from({ length: count + 1 }, (_, index) => index - 1));
        const sizes = shares.map((lanes) => lanes.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      },
    ),
  );
});

test("a member that is taken for dead can't commit over the new owner", () => {
  const group = new Group(file, "g");
  group.ensureCursors("t", [0], "earliest");
  group.join({ id: "old", topics: ["t"] }, 1000, 0);
  const lane = { topic: "t", number: 0 };
  const old = group.claim(lane, "old");
  if (old === undefined) throw new Error("not claimed");
  group.commit(old.claim, 3);
  group.join({ id: "new", topics: ["t"] }, 1000, 900);
  expect(group.claim(lane, "new")).toBeUndefined();
  const before = group.generation();
  expect(group.beat("new", 1001)).toBe(true);
  expect(group.generation()).toBe(before + 1);
  const taken = group.claim(lane, "new");
  expect(taken?.committed).toBe(3);
  expect(() => group.commit(old.claim, 9)).toThrow(expect.objectContaining({ reason: "LEASE_LOST" }));
  group.release(old.claim);
  if (taken !== undefined) group.commit(taken.claim, 4);
  expect(group.beat("old", 1002)).toBe(false);
});

test("an earlier claim of the same member is worth nothing after a later one", () => {
  const group = new Group(file, "g");
  group.ensureCursors("t", [0], "earliest");
  group.join({ id: "a", topics: ["t"] }, 1000, 0);
  const first = group.claim({ topic: "t", number: 0 }, "a");
  if (first === undefined) throw new Error("not claimed");
  group.release(first.claim);
  expect(group.claim({ topic: "t", number: 0 }, "a")?.claim.epoch).toBe(first.claim.epoch + 1);
  expect(() => group.commit(first.claim, 1)).toThrow();
});

test("P7 a read takes no more than its limits into memory, and always something", () => {
  const log = new EventLog(file);
  log.ensureTopic("t", 1);
  log.append(
    "t",
    Array.from({ length: 10 }, (_, n) => event(n, 1000)),
    0,
  );
  expect(log.read("t", 0, 0, { maxEvents: 4, maxBytes: 1e9 })).toHaveLength(4);
  expect(log.read("t", 0, 0, { maxEvents: 99, maxBytes: 3500 })).toHaveLength(3);
  expect(log.read("t", 0, 8, { maxEvents: 99, maxBytes: 1 }).map((entry) => entry.offset)).toEqual([8]);
});

test("only old events that every group has passed are dropped, a few at a time", () => {
  const log = new EventLog(file);
  log.ensureTopic("t", 1);
  log.append("t", [event(0), event(1), event(2), event(3)], 100);
  log.append("t", [event(4)], 200);
  const [slow, fast] = [new Group(file, "slow"), new Group(file, "fast")];
  for (const group of [slow, fast]) {
    group.join({ id: "m", topics: ["t"] }, 1000, 0);
    group.ensureCursors("t", log.ends("t"), group === fast ? "latest" : "earliest");
    group.leave("m");
  }
  slow.join({ id: "m", topics: ["t"] }, 1000, 0);
  const taken = slow.claim({ topic: "t", number: 0 }, "m");
  if (taken === undefined) throw new Error("not claimed");
  const offsets = (): number[] => log.read("t", 0, 0, { maxEvents: 99, maxBytes: 1e9 }).map((entry) => entry.offset);
  expect(log.trim(150, 10)).toBe(0);
  slow.commit(taken.claim, 3);
  expect(log.trim(150, 2)).toBe(2);
  expect(offsets()).toEqual([2, 3, 4]);
  slow.commit(taken.claim, 5);
  expect(log.trim(150, 10)).toBe(2);
  expect(offsets()).toEqual([4]);
  expect(log.trim(250, 10)).toBe(1);
  log.append("t", [event(5)], 300);
  expect(offsets()).toEqual([5]);
});
