import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { countingIds, type Log, ManualClock, silentLog, WeftError } from "@weft/kit";
import type { SearchEngine } from "@weft/search";
import { cacheAnswers, type CacheOutcome, markChanges } from "./index.ts";
import { ToyEngine, ToyStore } from "./toy.fixture.ts";

let clock: ManualClock;
let engine: ToyEngine;
let store: ToyStore;
let outcomes: CacheOutcome[];
let lines: string[];
let reader: SearchEngine;
let writer: SearchEngine;

function setUp(): void {
  clock = new ManualClock();
  engine = new ToyEngine(clock);
  store = new ToyStore(clock);
  outcomes = [];
  lines = [];
  reader = openReader();
  const say = (_: object, text: string): void => void lines.push(text);
  const log: Log = { ...silentLog, info: say, warn: say };
  writer = markChanges(engine, { store: async () => store, clock, log, newId: countingIds("w") });
}

function openReader(): SearchEngine {
  const onOutcome = (outcome: CacheOutcome): void => void outcomes.push(outcome);
  return cacheAnswers(engine, { store: async () => store, clock, onOutcome, newId: countingIds("r") });
}

beforeEach(setUp);

const query = { text: "hello", pageSize: 20 };

async function found(from = reader, what: Parameters<SearchEngine["search"]>[1] = query): Promise<number> {
  return (await from.search("things", what)).totalHits;
}

const change = () => writer.apply("things", [{ kind: "delete", id: "1" }]);

/** The reader knows the index for long enough. */
async function settle(from = reader): Promise<void> {
  await found(from);
  await found(from);
  await clock.advance(1500);
}

const away = async (): Promise<void> => {
  throw new WeftError("UNAVAILABLE", "away");
};

describe("answers", () => {
  test("are given again, as they were, to every reader, for ten seconds", async () => {
    await settle();
    const first = await reader.search("things", query);
    const other = openReader();
    await settle(other);
    const { asked } = engine;
    expect(await reader.search("things", query)).toEqual(first);
    expect(await other.search("things", query)).toEqual(first);
    expect(engine.asked).toBe(asked);
    await clock.advance(10_000);
    await found();
    expect(engine.asked).toBe(asked + 1);
    expect(outcomes).toContain("hit");
  });

  test("differ by everything that is asked", async () => {
    await settle();
    const questions = [
      query,
      { ...query, text: "other" },
      { ...query, pageSize: 10 },
      { ...query, facets: ["a"] },
      { ...query, highlight: true },
      { ...query, sort: [{ field: "a", descending: true }] },
    ];
    outcomes = [];
    for (const question of questions) await found(reader, question);
    await reader.suggest("things", { prefix: "he", limit: 10 });
    await reader.suggest("things", { prefix: "he", limit: 11 });
    expect(outcomes).toEqual(Array.from({ length: 8 }, () => "miss"));
    expect(await reader.suggest("things", { prefix: "he", limit: 10 })).toEqual([{ text: "he0", id: "1" }]);
    expect(outcomes.at(-1)).toBe("hit");
  });

  test("to further pages are the engine's", async () => {
    await settle();
    const { asked } = engine;
    await found(reader, { ...query, after: "token" });
    await found(reader, { ...query, after: "token" });
    expect(engine.asked).toBe(asked + 2);
  });

  test("that are failures are not kept, and an index that is none gets no entry", async () => {
    for (let turn = 0; turn < 3; turn += 1) {
      await expect(reader.search("none", query)).rejects.toMatchObject({ reason: "NOT_FOUND" });
    }
    expect(store.writes).toEqual([]);
  });

  test("asked for by many at once come from one question", async () => {
    await settle();
    const { asked } = engine;
    await Promise.all(Array.from({ length: 20 }, () => found()));
    expect(engine.asked).toBe(asked + 1);
  });
});

describe("whoever gives up", () => {
  const leaving = (from = reader, what = query) => {
    const controller = new AbortController();
    const ended = expect(from.search("things", what, controller.signal)).rejects.toMatchObject({ reason: "CANCELLED" });
    return { ended, leave: () => controller.abort() };
  };

  test("leaves the question to the others who ask it; the last one ends it", async () => {
    await settle();
    engine.before = () => new Promise(() => undefined);
    const [one, two] = [leaving(), leaving()];
    await clock.advance(0);
    const [signal] = engine.signals.slice(-1);
    one.leave();
    await one.ended;
    expect(signal?.aborted).toBe(false);
    two.leave();
    await two.ended;
    expect(signal?.aborted).toBe(true);
    engine.before = async () => undefined;
    expect(await found()).toBe(0);
  });

  test("ends his own question where it is not shared", async () => {
    const further = { ...query, after: "token" };
    for (const what of [query, further]) {
      const { signal } = new AbortController();
      await reader.search("things", what, signal);
      expect(engine.signals.at(-1)).toBe(signal);
    }
    await settle();
    const { signal } = new AbortController();
    await reader.search("things", further, signal);
    expect(engine.signals.at(-1)).toBe(signal);
  });
});

describe("a change", () => {
  test("is found by the next search of every reader", async () => {
    const other = openReader();
    await settle();
    await settle(other);
    expect([await found(), await found(other)]).toEqual([0, 0]);
    await change();
    expect([await found(), await found(other)]).toEqual([1, 1]);
  });

  test("is not hidden by an answer from before it that is stored after it", async () => {
    await settle();
    const looked = Promise.withResolvers<undefined>();
    engine.after = () => looked.promise;
    const slow = found();
    await clock.advance(0);
    await change();
    engine.after = async () => undefined;
    looked.resolve(undefined);
    expect(await slow).toBe(0);
    await settle();
    expect(await found()).toBe(1);
  });

  test("that the engine shows a second later is found then", async () => {
    engine.showMs = 1000;
    await settle();
    await found();
    await change();
    for (let turn = 0; turn < 20; turn += 1) {
      await found();
      await clock.advance(50);
    }
    expect(await found()).toBe(1);
  });

  test("may be a reindex", async () => {
    await settle();
    expect(await found()).toBe(0);
    await writer.reindex("things");
    expect(await found()).toBe(1);
  });

  test("that failed may have happened, and counts", async () => {
    await settle();
    expect(await found()).toBe(0);
    engine.failing = true;
    await expect(change()).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(await found()).toBe(1);
  });

  test("of an index that is none leaves nothing in the store", async () => {
    engine.deleteIndex = async () => {
      throw new WeftError("NOT_FOUND", "there is no such index");
    };
    await expect(writer.deleteIndex("none")).rejects.toMatchObject({ reason: "NOT_FOUND" });
    expect(store.writes).toEqual([]);
  });

  test("shares its mark with others of the same half second", async () => {
    await Promise.all(Array.from({ length: 100 }, change));
    await clock.advance(499);
    await change();
    expect(store.writes.length).toBe(1);
    await clock.advance(1);
    await change();
    expect(store.writes.length).toBe(2);
  });

  test("is found soon, whatever comes when", async () => {
    const step = fc.record({
      kind: fc.constantFrom("search", "search", "search", "change"),
      waitMs: fc.oneof(fc.nat(400), fc.constant(0), fc.nat(2000)),
      slowMs: fc.oneof(fc.constant(0), fc.nat(800)),
      storeMs: fc.nat(40),
    });
    const property = fc.asyncProperty(
      fc.array(step, { minLength: 30, maxLength: 60 }),
      fc.constantFrom(0, 500, 1000),
      async (steps, showMs) => {
        setUp();
        engine.showMs = showMs;
        const marked: { readonly value: number; readonly at: number }[] = [];
        const running: Promise<void>[] = [];
        let changes = 0;
        for (const { kind, waitMs, slowMs, storeMs } of steps) {
          store.before = () => clock.sleep(storeMs);
          engine.before = () => clock.sleep(slowMs);
          const at = clock.monotonic();
          if (kind === "change") {
            const value = (changes += 1);
            running.push(change().then(() => void marked.push({ value, at: clock.monotonic() })));
          } else {
            const due = Math.max(0, ...marked.filter((mark) => mark.at + showMs <= at).map(({ value }) => value));
            running.push(found().then((value) => expect(value).toBeGreaterThanOrEqual(due)));
          }
          await clock.advance(waitMs);
        }
        await clock.advance(5000);
        await Promise.all(running);
      },
    );
    await fc.assert(property, { numRuns: 100 });
  });
});

describe("a store that is away", () => {
  test("costs a search 50 ms once and no answer", async () => {
    await settle();
    store.before = () => new Promise(() => undefined);
    const first = found();
    await clock.advance(50);
    expect(await first).toBe(0);
    // Nothing moves the clock here: nobody waits.
    expect(await Promise.all([found(), found(), found()])).toEqual([0, 0, 0]);
    expect(outcomes.slice(-4)).toEqual(["bypass", "bypass", "bypass", "bypass"]);
  });

  test("is used again when it is back", async () => {
    await settle();
    store.before = away;
    await found();
    store.before = async () => undefined;
    await clock.advance(1000);
    await found();
    await found();
    expect(outcomes.at(-1)).toBe("hit");
  });

  test("fails no change and holds up one for half a second, and gets its mark when it is back", async () => {
    await settle();
    expect(await found()).toBe(0);
    const { before } = store;
    store.before = () => new Promise(() => undefined);
    const first = change();
    await clock.advance(500);
    await first;
    await change();
    store.before = before;
    await clock.advance(1000);
    expect(await found()).toBe(2);
    expect(lines).toEqual([
      "searches may be answered from the cache for longer: its store is away",
      "the store of the search cache is back",
    ]);
  });

  test("hides a change no longer than an answer lives", async () => {
    await settle();
    expect(await found()).toBe(0);
    store.failsToWrite = true;
    await change();
    expect(await found()).toBe(0);
    await clock.advance(10_000);
    expect(await found()).toBe(1);
    await writer[Symbol.asyncDispose]();
  });
});
