import { ManualClock, silentLog, WeftError } from "@weft/kit";
import { Recorder } from "@weft/kit/testing";
import { expect, test } from "vitest";
import { newest, nextIndex, type Sighting, watch } from "./watch.ts";

test.each([
  ["the first", undefined, "7", "7"],
  ["a later one", "7", "8", "8"],
  ["the same", "7", "7", "7"],
  ["beyond what a number holds", "9007199254740993", "9007199254740994", "9007199254740994"],
  ["one of more digits", "9", "10", "10"],
  ["one that went back", "10", "9", undefined],
  ["none", "7", undefined, undefined],
  ["zero", "7", "0", undefined],
  ["nonsense", undefined, "abc", undefined],
])("after %s (%s, then %s) the next query waits for %s", (_, before, answered, next) => {
  expect(nextIndex(before, answered)).toBe(next);
});

/** A watch whose queries are answered by hand. */
function watched(options: { random?: () => number; waitMs?: () => number } = {}) {
  const clock = new ManualClock();
  const controller = new AbortController();
  const asked: { blocking: unknown; atMs: number; answer: (index: string) => void; fail: () => void }[] = [];
  const sightings = new Recorder(
    watch({
      look: (blocking, signal) =>
        new Promise<{ index: string }>((resolve, reject) => {
          signal.addEventListener("abort", () => reject(new WeftError("CANCELLED", "aborted")));
          asked.push({
            ...{ blocking, atMs: clock.monotonic() },
            answer: (index) => resolve({ index }),
            fail: () => reject(new WeftError("UNAVAILABLE", "away")),
          });
        }),
      ...{ signal: controller.signal, clock, random: () => 0, ...options },
    }),
  );
  return { clock, asked, sightings, end: () => controller.abort() };
}

test("the first query does not wait, the next ones do, a tenth of a second apart at least", async () => {
  const { clock, asked, sightings, end } = watched();
  asked[0]?.answer("5");
  await clock.advance(99);
  expect(asked).toHaveLength(1);
  await clock.advance(1);
  await clock.advance(2000);
  asked[1]?.answer("6");
  await clock.advance(0);
  // After a quiet time it is asked at once.
  expect(asked.map(({ blocking }) => blocking)).toEqual([
    undefined,
    { index: "5", waitMs: 2000 },
    { index: "6", waitMs: 2000 },
  ]);
  end();
  await sightings.ended;
  expect(sightings.values).toEqual([
    { stale: false, answer: { index: "5" } },
    { stale: false, answer: { index: "6" } },
  ]);
});

test("after a failure it asks without waiting, after growing pauses", async () => {
  const { clock, asked, sightings, end } = watched({ random: () => 0.999999 });
  asked[0]?.answer("5");
  await clock.advance(100);
  for (const pauseMs of [100, 200, 400, 800, 1000, 1000]) {
    const before = asked.length;
    asked.at(-1)?.fail();
    await clock.advance(pauseMs - 1);
    expect(asked).toHaveLength(before);
    await clock.advance(1);
    expect(asked).toHaveLength(before + 1);
  }
  expect(asked.slice(2).every(({ blocking }) => blocking === undefined)).toBe(true);
  expect(sightings.last).toMatchObject({ stale: true, error: { reason: "UNAVAILABLE" } });
  asked.at(-1)?.answer("3");
  await clock.advance(1000);
  expect(sightings.last).toEqual({ stale: false, answer: { index: "3" } });
  end();
  await sightings.ended;
});

test("a wait is shorter by up to a quarter, and as short as it is told", async () => {
  const { clock, asked, end } = watched({ random: () => 0.5, waitMs: () => 400 });
  asked[0]?.answer("5");
  await clock.advance(100);
  expect(asked[1]?.blocking).toEqual({ index: "5", waitMs: 350 });
  end();
});

test("an aborted watch ends without error, also in a pause", async () => {
  const { clock, asked, sightings, end } = watched({ random: () => 0.999999 });
  asked[0]?.fail();
  await clock.advance(0);
  end();
  await sightings.ended;
  expect(sightings.values).toHaveLength(1);
});

test("the newest view skips what the reader missed and what it knows, and ends its source with itself", async () => {
  const source: Sighting<number>[] = [1, 2, 2, 3].map((answer) => ({ stale: false, answer }));
  let closed = false;
  const open = async function* (signal: AbortSignal): AsyncGenerator<Sighting<number>> {
    try {
      yield* source;
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    } finally {
      closed = true;
    }
  };
  const controller = new AbortController();
  const views = newest(open, {
    view: (sighting, before: number | undefined) => (sighting.stale ? (before ?? 0) : sighting.answer),
    equal: Object.is,
    ...{ signal: controller.signal, log: silentLog, what: "it" },
  });
  expect((await views.next()).value).toBe(1);
  await new Promise((resolve) => setImmediate(resolve));
  expect((await views.next()).value).toBe(3);
  controller.abort();
  expect((await views.next()).done).toBe(true);
  expect(closed).toBe(true);
});

test("a view that fails is told to the reader", async () => {
  const open = async function* (): AsyncGenerator<Sighting<number>> {
    yield { stale: false, answer: 1 };
  };
  const view = (): number => {
    throw new WeftError("DATA_LOSS", "unreadable");
  };
  const options = { view, equal: Object.is, signal: new AbortController().signal, log: silentLog, what: "it" };
  await expect(newest(open, options).next()).rejects.toMatchObject({ reason: "DATA_LOSS" });
});
