import { WeftError } from "@weft/kit";
import type { ChangeResult, DocumentChange } from "@weft/search";
import { expect, test } from "vitest";
import { put, settle, testPipeline } from "./pipeline.fixture.ts";

const applied: ChangeResult = { outcome: "applied" };
const busy: ChangeResult = { outcome: "failed", reason: "RESOURCE_EXHAUSTED", detail: "busy" };

test("a trickle is flushed by the time since its first document, not since its last", async () => {
  const { pipeline, clock, calls } = testPipeline({ flushMs: 500 });
  for (let number = 0; number < 12; number += 1) {
    void pipeline.write([put(`${number}`)]);
    await clock.advance(100);
  }
  expect(calls.map(({ at, changes }) => [at, changes.length])).toEqual([
    [500, 5],
    [1000, 5],
  ]);
  await pipeline[Symbol.asyncDispose]();
  expect(calls.at(-1)?.changes).toHaveLength(2);
});

test("it is flushed by number and by bytes, too; a large document goes alone", async () => {
  const large: DocumentChange = { kind: "put", id: "large", document: { text: "x".repeat(2000) } };
  const { pipeline, calls } = testPipeline({ flushDocuments: 3, flushBytes: 1000 });
  const done = pipeline.write([put("1"), put("2"), put("3"), put("4"), large]);
  await settle();
  await pipeline.flush();
  expect(calls.map(({ changes }) => changes.map(({ id }) => id))).toEqual([["1", "2", "3"], ["4"], ["large"]]);
  expect(await done).toEqual([applied, applied, applied, applied, applied]);
});

test("with no time to wait a change goes at once, and those that come while it is under way go together", async () => {
  const answers: (() => void)[] = [];
  const { pipeline, calls } = testPipeline({ flushMs: 0, maxParallel: 1 }, (changes) => {
    return new Promise((resolve) => void answers.push(() => resolve(changes.map(() => applied))));
  });
  const all = ["1", "2", "3"].map((id) => pipeline.write([put(id)]));
  expect(calls).toHaveLength(1);
  answers[0]?.();
  await settle();
  answers[1]?.();
  await Promise.all(all);
  expect(calls.map(({ changes }) => changes.length)).toEqual([1, 2]);
});

test("while everything is turned away the tries are few and far between, and each document is reported in the end", async () => {
  const { pipeline, clock, calls } = testPipeline({ attempts: 5, flushDocuments: 10 }, async (changes) => {
    return changes.map(() => busy);
  });
  const done = pipeline.write(Array.from({ length: 30 }, (_, at) => put(`${at}`)));
  for (let second = 0; second < 10; second += 1) await clock.advance(1000);
  expect(await done).toEqual(Array.from({ length: 30 }, () => busy));
  expect(calls.length).toBeLessThanOrEqual(3 * 5);
});

test("what was turned away alone is tried again; what is wrong by itself is not", async () => {
  const wrong: ChangeResult = { outcome: "failed", reason: "INVALID_ARGUMENT", detail: "not a number" };
  let tries = 0;
  const { pipeline, clock, calls } = testPipeline({}, async (changes) => {
    return changes.map(({ id }) => (id === "busy" && (tries += 1) < 3 ? busy : id === "wrong" ? wrong : applied));
  });
  const done = pipeline.write([put("good"), put("busy"), put("wrong")]);
  for (let second = 0; second < 5; second += 1) await clock.advance(1000);
  expect(await done).toEqual([applied, applied, wrong]);
  expect(calls.map(({ changes }) => changes.length)).toEqual([3, 1, 1]);
});

test("a newer version that is there is a success of that one", async () => {
  const { pipeline } = testPipeline({ flushMs: 0 }, async (changes) => changes.map(() => ({ outcome: "superseded" })));
  expect(await pipeline.write([put("1", 1n)])).toEqual([{ outcome: "superseded" }]);
});

test("a request that fails in the middle of a stream is tried again, when the engine says, and the stream goes on", async () => {
  let failures = 1;
  const { pipeline, clock, calls } = testPipeline({ flushDocuments: 2 }, async (changes) => {
    if (changes.some(({ id }) => id === "3") && failures-- > 0) {
      throw new WeftError("UNAVAILABLE", "away", { retryAfterMs: 3000 });
    }
    return changes.map(() => applied);
  });
  const done = pipeline.write(["1", "2", "3", "4", "5", "6"].map((id) => put(id)));
  await clock.advance(2900);
  expect(calls.map(({ changes }) => changes[0]?.id)).toEqual(["1", "3", "5"]);
  await clock.advance(200);
  expect(calls.at(-1)?.changes.map(({ id }) => id)).toEqual(["3", "4"]);
  expect(await done).toEqual(Array.from({ length: 6 }, () => applied));
});

test("a request that fails for good fails each of its documents, and no other", async () => {
  const { pipeline } = testPipeline({ flushDocuments: 2 }, async (changes) => {
    if (changes.some(({ id }) => id === "2")) throw new WeftError("DATA_LOSS", "damaged");
    return changes.map(() => applied);
  });
  const damaged = { outcome: "failed", reason: "DATA_LOSS", detail: "damaged" };
  const done = pipeline.write(["1", "2", "3", "4"].map((id) => put(id)));
  expect(await done).toEqual([damaged, damaged, applied, applied]);
});

test("a document too large fails alone, whether it is known before or the server says so", async () => {
  const { pipeline, calls } = testPipeline({ maxDocumentBytes: 1000, flushDocuments: 5 }, async (changes) => {
    if (changes.some(({ id }) => id === "refused")) throw new WeftError("PAYLOAD_TOO_LARGE", "too large");
    return changes.map(() => applied);
  });
  const large: DocumentChange = { kind: "put", id: "large", document: { text: "x".repeat(1000) } };
  const done = pipeline.write([put("1"), large, put("2"), put("refused"), put("3"), put("4")]);
  const results = await done;
  expect(results.map((result) => (result.outcome === "failed" ? result.reason : result.outcome))).toEqual([
    "applied",
    "PAYLOAD_TOO_LARGE",
    "applied",
    "PAYLOAD_TOO_LARGE",
    "applied",
    "applied",
  ]);
  expect(calls.some(({ changes }) => changes.some(({ id }) => id === "large"))).toBe(false);
});

test("a document for which the engine turns down the whole request fails alone, other refusals are nobody's own", async () => {
  const { pipeline, calls } = testPipeline({ flushDocuments: 2 }, async (changes) => {
    if (changes.some(({ id }) => id === "bad")) throw new WeftError("INVALID_ARGUMENT", "the request can't be read");
    if (changes.some(({ id }) => id === "secret")) throw new WeftError("PERMISSION_DENIED", "not for this user");
    return changes.map(() => applied);
  });
  const reasonsOf = async (ids: readonly string[]) =>
    (await pipeline.write(ids.map((id) => put(id)))).map((result) =>
      result.outcome === "failed" ? result.reason : result.outcome,
    );
  expect(await reasonsOf(["1", "2", "bad", "3"])).toEqual(["applied", "applied", "INVALID_ARGUMENT", "applied"]);
  const before = calls.length;
  expect(await reasonsOf(["1", "secret"])).toEqual(["PERMISSION_DENIED", "PERMISSION_DENIED"]);
  expect(calls.length).toBe(before + 1);
});

test("a source is taken from no faster than the engine takes", async () => {
  const { pipeline } = testPipeline(
    { flushDocuments: 10, maxBufferedDocuments: 25 },
    () => new Promise(() => undefined),
  );
  let taken = 0;
  void (async () => {
    for (; taken < 1000; taken += 1) await pipeline.add(put(`${taken}`), () => undefined);
  })();
  await settle();
  expect(taken).toBe(25);
});

test("the bytes in the buffer are bounded; a document larger than all of it goes when nobody else is there", async () => {
  const answers: (() => void)[] = [];
  const { pipeline, calls } = testPipeline({ maxBufferedBytes: 500, flushMs: 0 }, (changes) => {
    return new Promise((resolve) => void answers.push(() => resolve(changes.map(() => applied))));
  });
  const large: DocumentChange = { kind: "put", id: "large", document: { text: "x".repeat(1000) } };
  const done = [pipeline.write([put("1")]), pipeline.write([large]), pipeline.write([put("2")])];
  await settle();
  expect(calls).toHaveLength(1);
  for (let call = 0; call < 3; call += 1) {
    answers[call]?.();
    await settle();
  }
  expect((await Promise.all(done)).flat()).toEqual([applied, applied, applied]);
  expect(calls.map(({ changes }) => changes[0]?.id)).toEqual(["1", "large", "2"]);
});

test("changes of one document without versions wait for each other, a failed one included", async () => {
  let failures = 1;
  const { pipeline, clock, calls } = testPipeline({ flushMs: 0 }, async (changes) => {
    return changes.map(({ id }) => (id === "a" && failures-- > 0 ? busy : applied));
  });
  const done = pipeline.write([put("a"), put("b"), { kind: "delete", id: "a" }, put("a")]);
  for (let second = 0; second < 5; second += 1) await clock.advance(1000);
  expect(await done).toEqual([applied, applied, applied, applied]);
  expect(calls.flatMap(({ changes }) => changes.filter(({ id }) => id === "a").map(({ kind }) => kind))).toEqual([
    "put",
    "put",
    "delete",
    "put",
  ]);
});

test("a change that waited for room goes before a later one of its document", async () => {
  const answers: (() => void)[] = [];
  const options = { flushDocuments: 2, maxParallel: 1, maxBufferedDocuments: 2 };
  const { pipeline, calls } = testPipeline(options, (changes) => {
    return new Promise((resolve) => void answers.push(() => resolve(changes.map(() => applied))));
  });
  const done: Promise<unknown>[] = [];
  await pipeline.add(put("b"), () => done.push(pipeline.write([{ kind: "delete", id: "a" }])));
  await pipeline.add(put("c"), () => undefined);
  done.push(pipeline.write([put("a")]));
  answers[0]?.();
  await settle();
  const flushed = pipeline.flush();
  for (const call of [1, 2]) {
    answers[call]?.();
    await settle();
  }
  await Promise.all([flushed, ...done]);
  expect(calls.map(({ changes }) => changes.map(({ kind, id }) => `${kind} ${id}`))).toEqual([
    ["put b", "put c"],
    ["put a"],
    ["delete a"],
  ]);
});

test("a change that gets room as the pipeline is closed waits for its turn like any other", async () => {
  const answers = new Map<string, () => void>();
  const options = { flushDocuments: 1, maxParallel: 2, maxBufferedDocuments: 4 };
  const { pipeline, calls } = testPipeline(options, (changes) => {
    return new Promise((resolve) => {
      answers.set(changes[0]?.id ?? "", () => resolve(changes.map(() => applied)));
    });
  });
  let disposed: Promise<void> | undefined;
  const done = [pipeline.write([put("a")]), pipeline.write([put("a")])];
  await pipeline.add(put("b"), () => void (disposed = pipeline[Symbol.asyncDispose]()));
  done.push(pipeline.write([put("c")]), pipeline.write([put("a")]));
  for (const id of ["b", "c"]) {
    answers.get(id)?.();
    await settle();
  }
  expect(calls.map(({ changes }) => changes[0]?.id)).toEqual(["a", "b", "c"]);
  for (let call = 0; call < 3; call += 1) {
    answers.get("a")?.();
    await settle();
  }
  expect((await Promise.all(done)).flat()).toEqual([applied, applied, applied, applied]);
  await disposed;
});

test("changes of one document with versions go together", async () => {
  const { pipeline, calls } = testPipeline({ flushDocuments: 3 });
  await pipeline.write([put("a", 1n), put("a", 3n), put("a", 2n)]);
  expect(calls.map(({ changes }) => changes.length)).toEqual([3]);
});

test("disposing sends what there is and waits for it; nothing more is taken", async () => {
  const { pipeline, clock, calls } = testPipeline({ flushMs: 60_000, attempts: 3 }, async (changes) => {
    return changes.map(() => (calls.length < 3 ? busy : applied));
  });
  const done = pipeline.write([put("1"), put("2")]);
  await settle();
  const disposed = pipeline[Symbol.asyncDispose]();
  await expect(pipeline.write([put("3")])).rejects.toMatchObject({ reason: "DRAINING" });
  await clock.advance(5000);
  expect(await done).toEqual([applied, applied]);
  await disposed;
  await pipeline[Symbol.asyncDispose]();
});

test("what is not done when the time to drain is over fails: what was under way may yet be applied", async () => {
  const late = Promise.withResolvers<readonly ChangeResult[]>();
  const options = { flushDocuments: 1, flushMs: 60_000, maxParallel: 1, maxBufferedDocuments: 2, drainTimeoutMs: 5000 };
  const { pipeline, clock } = testPipeline(options, () => late.promise);
  const [first, second, third] = ["1", "2", "3"].map((id) => pipeline.write([put(id)]));
  third?.catch(() => undefined);
  await settle();
  const disposed = pipeline[Symbol.asyncDispose]();
  await clock.advance(5000);
  await disposed;
  expect(await first).toMatchObject([{ reason: "DEADLINE_EXCEEDED" }]);
  expect(await second).toMatchObject([{ reason: "DRAINING" }]);
  await expect(third).rejects.toMatchObject({ reason: "DRAINING" });
  // It has its result.
  late.resolve([applied]);
  await settle();
});

test("aborted, it sends nothing more, and what waits to be tried again is not", async () => {
  const caller = new AbortController();
  const options = { flushDocuments: 1, maxParallel: 1, signal: caller.signal };
  const { pipeline, clock, calls } = testPipeline(options, async (changes) => changes.map(() => busy));
  const done = pipeline.write([put("1"), put("1"), put("2")]);
  await settle();
  caller.abort(new WeftError("CANCELLED", "the caller left"));
  expect((await done).map((result) => "reason" in result && result.reason)).toEqual(Array(3).fill("CANCELLED"));
  const before = calls.length;
  await clock.advance(60_000);
  expect(calls).toHaveLength(before);
  await expect(pipeline.write([put("3")])).rejects.toMatchObject({ reason: "CANCELLED" });
  await pipeline[Symbol.asyncDispose]();
});

test("the engine hears of a bulk load when it is one, and of its end", async () => {
  const heard: string[] = [];
  const engine = {
    apply: async (_: string, changes: readonly DocumentChange[]) => changes.map(() => applied),
    bulkLoad: async (index: string) => {
      heard.push(`begin ${index}`);
      return { [Symbol.asyncDispose]: async () => void heard.push("end") };
    },
  };
  const { pipeline } = testPipeline({ engine, bulkLoadAfter: 2, flushMs: 0 });
  await pipeline.write([put("1"), put("2")]);
  expect(heard).toEqual([]);
  await pipeline.write([put("3")]);
  expect(heard).toEqual(["begin things"]);
  await pipeline[Symbol.asyncDispose]();
  expect(heard).toEqual(["begin things", "end"]);
});

test("numbers that can't be are refused", () => {
  expect(() => testPipeline({ attempts: 0 })).toThrow(expect.objectContaining({ reason: "INVALID_ARGUMENT" }));
  expect(() => testPipeline({ flushMs: NaN })).toThrow("flushMs of a pipeline is NaN");
});
