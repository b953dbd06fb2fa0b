import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, WeftError } from "@weft/kit";
import { SqliteFile } from "@weft/sqlite";
import { afterEach, expect, test } from "vitest";
import { EventLog } from "./event-log.ts";
import { Publisher } from "./publisher.ts";
import { schema } from "./schema.ts";

const event = {
  key: "k",
  event: {
    id: "1",
    source: "/s",
    type: "T",
    time: 0,
    dataContentType: "text/plain",
    data: new Uint8Array(1),
    extensions: {},
  },
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function open() {
  const folder = mkdtempSync(join(tmpdir(), "weft-publisher-"));
  folders.push(folder);
  const file = new SqliteFile({ path: join(folder, "pubsub.db"), schema });
  const log = new EventLog(file);
  return { file, log, publisher: new Publisher(file, log, systemClock) };
}

test("calls of one turn share a transaction, and fail together", async () => {
  const { file, log, publisher } = open();
  let transactions = 0;
  const original = file.transaction.bind(file);
  file.transaction = (work) => {
    transactions += 1;
    return original(work);
  };
  log.ensureTopic("t", 1);
  transactions = 0;
  await Promise.all(Array.from({ length: 50 }, () => publisher.publish("t", [event])));
  expect(transactions).toBe(1);
  expect(log.end("t", 0)).toBe(50);

  file.transaction = () => {
    throw new WeftError("RESOURCE_EXHAUSTED", "the disk is full");
  };
  const results = await Promise.allSettled([publisher.publish("t", [event]), publisher.publish("t", [event])]);
  expect(results.map((result) => result.status)).toEqual(["rejected", "rejected"]);
  expect(log.end("t", 0)).toBe(50);
});

test("what waits is bounded, and a large call is written all the same", async () => {
  const { log, publisher } = open();
  const large = Array.from({ length: 50_001 }, () => event);
  const written = publisher.publish("t", large);
  await expect(publisher.publish("t", [event])).rejects.toMatchObject({ reason: "RESOURCE_EXHAUSTED" });
  await written;
  expect(log.ends("t").reduce((sum, end) => sum + end)).toBe(50_001);
});
