import { ManualClock, WeftError } from "@weft/kit";
import type { ChangeResult, DocumentChange, SearchEngine } from "@weft/search";
import { packages } from "@weft/search/fixtures";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openTestEngine, testLines } from "../testing.ts";
import { type BulkContext, bulkIndex, type BulkLine } from "./bulk-index.ts";

const { signal } = new AbortController();
const stack = new AsyncDisposableStack();
let engine: SearchEngine;
beforeAll(async () => {
  engine = await openTestEngine(stack);
});
afterAll(() => stack.disposeAsync());

/** Numbered lines, in messages of `size`. */
async function* messages(lines: readonly (string | Uint8Array)[], size = 3): AsyncGenerator<readonly BulkLine[]> {
  const numbered = lines.map((line, at) => ({ line: at + 1, document: Buffer.from(line) }));
  for (let start = 0; start < numbered.length; start += size) yield numbered.slice(start, start + size);
}

function load(
  lines: readonly (string | Uint8Array)[],
  from: BulkContext["engine"] = engine,
): ReturnType<typeof bulkIndex> {
  const context = { engine: from, clock: new ManualClock(), bulk: { batchSize: 10, attempts: 3 } };
  return bulkIndex(context, packages.index, messages(lines), signal);
}

async function found(text: string): Promise<readonly string[]> {
  const page = await engine.search(packages.index, { text, pageSize: 100 });
  return page.hits.map((hit) => hit.id);
}

test("an index that is not there is NOT_FOUND before a line is taken", async () => {
  await expect(load(["{}"])).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await engine.createIndex(packages);
});

test("documents are found in four languages", async () => {
  const lines = await testLines("packages.ndjson");
  expect(await load(lines)).toEqual({ indexed: lines.length, failed: 0, errors: [] });
  expect(await found("编译器")).toContain("g++.zh");
  expect(await found("コンパイラ")).toContain("g++.ja");
  expect(await found("Abhängigkeitspakete")).toContain("g++.de");
  expect(await found("compilers")).toContain("g++.en");
  expect((await found("g++")).slice(0, 4).toSorted()).toEqual(["g++.de", "g++.en", "g++.ja", "g++.zh"]);
  expect((await engine.getIndex(packages.index)).documentCount).toBe(lines.length);
});

test("a bad line is reported by its number, the rest goes in", async () => {
  const notUtf8 = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d);
  const result = await load([
    '{"id":"one","name":"one"}',
    "{",
    '{"name":"no id"}',
    '{"id":"two","installedKiB":"many"}',
    "[1]",
    notUtf8,
    '{"id":{},"name":"x"}',
    '{"id":7,"name":"seven","other":{"kept":[1]}}',
  ]);
  expect(result).toMatchObject({ indexed: 2, failed: 6 });
  expect(result.errors.map(({ line, reason }) => [line, reason])).toEqual([
    [2, "MALFORMED_JSON"],
    [3, "INVALID_ARGUMENT"],
    [4, "INVALID_ARGUMENT"],
    [5, "MALFORMED_JSON"],
    [6, "MALFORMED_JSON"],
    [7, "INVALID_ARGUMENT"],
  ]);
  expect(await engine.getDocument(packages.index, "7")).toEqual({ id: 7, name: "seven", other: { kept: [1] } });
});

test("at most a thousand errors are listed, all are counted", async () => {
  const result = await load(Array.from({ length: 1005 }, () => "{"));
  expect([result.failed, result.errors.length, result.errors.at(-1)?.line]).toEqual([1005, 1000, 1000]);
});

/** An engine whose `apply` is told what to answer. */
function scripted(apply: SearchEngine["apply"]): BulkContext["engine"] {
  return { getIndex: (index) => engine.getIndex(index), apply };
}

test("what failed for a reason that may pass is tried again without the rest, a bounded number of times", async () => {
  const tries = new Map<string, number>();
  const calls: number[] = [];
  const clock = new ManualClock();
  const one = ({ id }: DocumentChange): ChangeResult => {
    const attempt = (tries.get(id) ?? 0) + 1;
    tries.set(id, attempt);
    if (id === "never" || (id === "later" && attempt < 3)) {
      return { outcome: "failed", reason: "RESOURCE_EXHAUSTED", detail: "busy" };
    }
    return { outcome: "applied" };
  };
  const flaky = scripted(async (_, changes) => {
    calls.push(changes.length);
    return changes.map(one);
  });
  const lines = ["good", "later", "never"].map((id) => JSON.stringify({ id }));
  const context = { engine: flaky, clock, bulk: { batchSize: 10, attempts: 3 } };
  const loading = bulkIndex(context, packages.index, messages(lines), signal);
  for (let turn = 0; turn < 10; turn += 1) await clock.advance(1000);
  expect(await loading).toEqual({
    indexed: 2,
    failed: 1,
    errors: [{ line: 3, reason: "RESOURCE_EXHAUSTED", detail: "busy" }],
  });
  expect(calls).toEqual([3, 2, 2]);
  expect(Object.fromEntries(tries)).toEqual({ good: 1, later: 3, never: 3 });
});

test("an engine that is away for a moment loses no line; one that fails for good ends the load", async () => {
  const clock = new ManualClock();
  let away = true;
  const returning = scripted(async (_, changes) => {
    if (away) {
      away = false;
      throw new WeftError("UNAVAILABLE", "away");
    }
    return changes.map(() => ({ outcome: "applied" }));
  });
  const context = { engine: returning, clock, bulk: { batchSize: 10, attempts: 3 } };
  const loading = bulkIndex(context, packages.index, messages(['{"id":"a"}', '{"id":"b"}']), signal);
  for (let turn = 0; turn < 5; turn += 1) await clock.advance(1000);
  expect(await loading).toMatchObject({ indexed: 2, failed: 0 });
  const broken = scripted(async () => Promise.reject(new WeftError("DATA_LOSS", "damaged")));
  await expect(load(['{"id":"a"}'], broken)).rejects.toMatchObject({ reason: "DATA_LOSS" });
});

test("lines are taken no faster than documents are", async () => {
  let taken = 0;
  async function* endless(): AsyncGenerator<readonly BulkLine[]> {
    for (; taken < 1000; taken += 1) yield [{ line: taken + 1, document: Buffer.from(`{"id":"${taken}"}`) }];
  }
  const slow = scripted(() => new Promise(() => undefined));
  const context = { engine: slow, clock: new ManualClock(), bulk: { batchSize: 10, attempts: 3 } };
  void bulkIndex(context, packages.index, endless(), signal);
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(taken).toBeLessThanOrEqual(80);
});

test("a caller who leaves ends the load: what was not sent by then is not", async () => {
  const caller = new AbortController();
  let sent = 0;
  const busy = scripted(async (_, changes) => {
    sent += changes.length;
    caller.abort(new WeftError("CANCELLED", "the caller left"));
    return changes.map(() => ({ outcome: "applied" }));
  });
  const lines = Array.from({ length: 500 }, (_, id) => JSON.stringify({ id }));
  const context = { engine: busy, clock: new ManualClock(), bulk: { batchSize: 10, attempts: 3 } };
  const loading = bulkIndex(context, packages.index, messages(lines), caller.signal);
  await expect(loading).rejects.toMatchObject({ reason: "CANCELLED" });
  expect(sent).toBeLessThanOrEqual(20);
});
