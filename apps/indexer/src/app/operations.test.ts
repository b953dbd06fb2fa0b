import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Blocks, blockUrlDefaults, openState } from "@weft/blocks";
import { countingIds, type Log, ManualClock, silentLog, WeftError } from "@weft/kit";
import type { IndexDefinition, SearchEngine } from "@weft/search";
import type { StateStore } from "@weft/state";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import type { Operation } from "../domain/operation.ts";
import { usersIndex } from "../domain/users-index.ts";
import { Operations } from "../store/operations.ts";
import { openTestEngine } from "../testing.ts";
import { getOperation, type ReindexInput, startReindex } from "./reindex.ts";
import { type RunContext, runOperations } from "./run-operations.ts";
import { ensureUsersIndex } from "./users-index.ts";

const things: IndexDefinition = {
  index: "things",
  idField: "id",
  fields: new Map([["colour", { kind: "keyword", facet: false, suggest: false }]]),
};
const anew: IndexDefinition = {
  ...things,
  fields: new Map([["colour", { kind: "keyword", facet: true, suggest: true }]]),
};
const weekMs = 7 * 86_400_000;

const stack = new AsyncDisposableStack();
const clock = new ManualClock();
let engine: SearchEngine;
let store: StateStore;
let count = 0;
let context: RunContext;
beforeAll(async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-indexer-"));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const blocks = new Blocks({ dataDir, urls: blockUrlDefaults("embedded"), stack, clock });
  store = await openState(blocks, "indexer");
  engine = await openTestEngine(stack);
  await engine.createIndex(usersIndex);
});
afterAll(() => stack.disposeAsync());
beforeEach(async () => {
  count += 1;
  for (const { definition } of await engine.listIndexes()) {
    if (definition.index !== usersIndex.index) await engine.deleteIndex(definition.index);
  }
  await engine.createIndex(things);
  await engine.apply(
    things.index,
    ["a", "b", "c"].map((id) => ({ kind: "put", id, document: { id, colour: "red" } })),
  );
  context = contextOn(engine);
});

function contextOn(reindexed: RunContext["engine"], log: Log = silentLog): RunContext {
  const operations = new Operations(async () => store);
  return { engine: reindexed, operations, clock, newId: countingIds(`o${count}-`), log };
}

function ask(input: Partial<ReindexInput> = {}): Promise<Operation> {
  return startReindex(context, { index: things.index, definition: anew, caller: "me", requestId: "", ...input });
}

/** Runs operations until one is as it should be, then stops. */
async function runUntil(from: RunContext, id: string, holds: (operation: Operation) => boolean): Promise<Operation> {
  const stop = new AbortController();
  const running = runOperations(from, stop.signal);
  try {
    for (let turn = 0; turn < 2000; turn += 1) {
      await clock.advance(250);
      const operation = await getOperation(context.operations, id);
      if (holds(operation)) return operation;
    }
    throw new Error("it never is");
  } finally {
    stop.abort();
    await running;
  }
}

const isDone = ({ endTime }: Operation): boolean => endTime !== undefined;

test("an index is built anew, and the next reindex may begin", async () => {
  const asked = await ask();
  expect(asked).toMatchObject({ index: "things", attempts: 0, processed: 0, createTime: clock.now() });
  expect(await getOperation(context.operations, asked.id)).toEqual(asked);
  await expect(ask()).rejects.toMatchObject({ reason: "FAILED_PRECONDITION", metadata: { operation: asked.id } });
  const done = await runUntil(context, asked.id, isDone);
  expect(done).toMatchObject({ attempts: 1, processed: 3, total: 3, endTime: expect.any(Number) });
  expect(done.error).toBeUndefined();
  expect((await engine.getIndex("things")).definition.fields).toEqual(anew.fields);
  const again = await ask({ definition: undefined });
  await runUntil(context, again.id, isDone);
  expect((await engine.getIndex("things")).definition.fields).toEqual(anew.fields);
});

test("one that ended can be asked for for a week", async () => {
  const { id } = await ask();
  await runUntil(context, id, isDone);
  await clock.advance(weekMs - 2000);
  await getOperation(context.operations, id);
  await clock.advance(2000);
  await expect(getOperation(context.operations, id)).rejects.toMatchObject({ reason: "NOT_FOUND" });
});

test("the same request is the same operation, under way and done, for each caller by themselves", async () => {
  const requestId = `r${count}`;
  const [one, two] = await Promise.all([ask({ requestId }), ask({ requestId })]);
  expect(two.id).toBe(one.id);
  await expect(ask({ requestId, definition: undefined })).rejects.toMatchObject({ reason: "IDEMPOTENCY_CONFLICT" });
  await expect(ask({ requestId, caller: "another" })).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
  await runUntil(context, one.id, isDone);
  expect(await ask({ requestId })).toMatchObject({ id: one.id, endTime: expect.any(Number) });
});

test("what can't be reindexed is refused before anything begins", async () => {
  await expect(ask({ index: "none" })).rejects.toMatchObject({ reason: "NOT_FOUND" });
  await expect(ask({ index: "users" })).rejects.toMatchObject({ reason: "INVALID_ARGUMENT" });
  const other = { ...anew, index: "users" };
  await expect(ask({ index: "users", definition: other })).rejects.toMatchObject({ reason: "FAILED_PRECONDITION" });
  expect(await context.operations.running()).toEqual([]);
  const { id } = await ask({ index: "users", definition: usersIndex });
  expect((await runUntil(context, id, isDone)).error).toBeUndefined();
});

test("documents that do not fit end it with the reason, and the index stays as it was", async () => {
  const { id } = await ask({ definition: { ...things, fields: new Map([["colour", { kind: "date" }]]) } });
  expect(await runUntil(context, id, isDone)).toMatchObject({
    attempts: 1,
    error: { reason: "FAILED_PRECONDITION", detail: expect.stringContaining("a: colour is not an RFC 3339 time") },
  });
  expect((await engine.getIndex("things")).definition.fields).toEqual(things.fields);
});

test("a failure that may pass has it begun anew, a bounded number of times", async () => {
  let failures = 2;
  const flaky: RunContext["engine"] = {
    getIndex: (index) => engine.getIndex(index),
    reindex: async (index, options) => {
      failures -= 1;
      if (failures >= 0) throw new WeftError("UNAVAILABLE", "away");
      return engine.reindex(index, options);
    },
  };
  const { id } = await ask();
  expect(await runUntil(contextOn(flaky), id, isDone)).toMatchObject({ attempts: 3, processed: 3 });
  failures = Infinity;
  const never = await ask();
  expect(await runUntil(contextOn(flaky), never.id, isDone)).toMatchObject({
    attempts: 10,
    error: { reason: "UNAVAILABLE", detail: "away" },
  });
});

test("what one process left undone another begins anew; progress is told meanwhile", async () => {
  const stuck: RunContext["engine"] = {
    getIndex: (index) => engine.getIndex(index),
    reindex: async (_, { onProgress, signal } = {}) => {
      await onProgress?.({ processed: 1, total: 3 });
      return new Promise((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    },
  };
  const { id } = await ask();
  const left = await runUntil(contextOn(stuck), id, ({ processed }) => processed === 1);
  expect(left).toMatchObject({ attempts: 1, total: 3 });
  expect(isDone(await getOperation(context.operations, id))).toBe(false);
  expect(await runUntil(context, id, isDone)).toMatchObject({ attempts: 2, processed: 3 });
});

test("a process that believes itself at it still writes nothing over its successor's word", async () => {
  const first = Promise.withResolvers<void>();
  const late: RunContext["engine"] = {
    getIndex: (index) => engine.getIndex(index),
    reindex: async (index) => {
      await first.promise;
      return engine.getIndex(index);
    },
  };
  const lines: string[] = [];
  const { id } = await ask();
  const stop = new AbortController();
  const log = { ...silentLog, warn: (_: object, text: string) => void lines.push(text) };
  const running = runOperations(contextOn(late, log), stop.signal);
  for (let turn = 0; turn < 100 && (await getOperation(context.operations, id)).attempts === 0; turn += 1) {
    await clock.advance(250);
  }
  const done = await runUntil(context, id, isDone);
  first.resolve();
  for (let turn = 0; turn < 100 && lines.length === 0; turn += 1) await clock.advance(10);
  expect(lines).toContain("an operation could not be written down");
  expect(await getOperation(context.operations, id)).toEqual(done);
  stop.abort();
  await running;
});

const usersBefore: IndexDefinition = {
  ...usersIndex,
  fields: new Map([["name", { kind: "text", weight: 1, suggest: false }]]),
};

/** Runs operations until the index of people has this version's definition. */
async function runUntilRenewed(from: RunContext): Promise<void> {
  const stop = new AbortController();
  const running = runOperations(from, stop.signal);
  for (let turn = 0; turn < 2000; turn += 1) {
    await clock.advance(250);
    if ((await engine.getIndex("users")).definition.fields.size > 1) break;
  }
  stop.abort();
  await running;
  expect((await engine.getIndex("users")).definition).toEqual(usersIndex);
}

test("an index of people of another version serves until it is built anew", async () => {
  await engine.deleteIndex(usersIndex.index);
  await engine.createIndex(usersBefore);
  await ensureUsersIndex(engine);
  expect((await engine.getIndex("users")).definition).toEqual(usersBefore);
  await runUntilRenewed(context);
  await ensureUsersIndex(engine);
});

test("it is built anew also after another reindex of it, and after one that failed for good", async () => {
  await engine.deleteIndex(usersIndex.index);
  await engine.createIndex(usersBefore);
  const { id } = await ask({ index: "users", definition: undefined });
  let failures = 1;
  const failing: RunContext["engine"] = {
    getIndex: (index) => engine.getIndex(index),
    reindex: async (index, options) => {
      if (options?.definition !== undefined) failures -= 1;
      if (options?.definition !== undefined && failures >= 0) throw new WeftError("DATA_LOSS", "not now");
      return engine.reindex(index, options);
    },
  };
  await runUntilRenewed({ ...contextOn(failing), newId: countingIds(`u${count}`) });
  expect(failures).toBe(-1);
  expect((await getOperation(context.operations, id)).error).toBeUndefined();
  await expect(getOperation(context.operations, `u${count}-1`)).resolves.toMatchObject({
    error: { reason: "DATA_LOSS" },
  });
});
