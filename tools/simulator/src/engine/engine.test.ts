import fc from "fast-check";
import { expect, test } from "vitest";
import { Link, Pipe } from "./network.ts";
import { Random } from "./random.ts";
import { Timeline } from "./timeline.ts";

test("events run in order of their time, and of their asking where that is the same", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (times) => {
      const timeline = new Timeline();
      const ran: { readonly atMs: number; readonly order: number }[] = [];
      for (const [order, atMs] of times.entries()) {
        timeline.at(atMs, () => {
          expect(timeline.nowMs).toBe(atMs);
          ran.push({ atMs, order });
        });
      }
      timeline.runUntil(20);
      expect(ran).toEqual([...ran].sort((one, other) => one.atMs - other.atMs || one.order - other.order));
      expect(ran).toHaveLength(times.length);
    }),
  );
});

test("what is asked for later than the end waits", () => {
  const timeline = new Timeline();
  let runs = 0;
  timeline.after(11, () => (runs += 1));
  timeline.runUntil(10);
  expect([runs, timeline.nowMs]).toEqual([0, 10]);
  timeline.runUntil(11);
  expect(runs).toBe(1);
});

test("what was due in the past runs now", () => {
  const timeline = new Timeline();
  timeline.runUntil(10);
  let atMs = 0;
  timeline.at(5, () => (atMs = timeline.nowMs));
  timeline.runUntil(10);
  expect(atMs).toBe(10);
});

test("streams of chance repeat, differ from each other, and have the means that they say", () => {
  const draw = (seed: number, stream: string): number[] => Array.from({ length: 5 }, new Random(seed, stream).next);
  expect(draw(1, "a")).toEqual(draw(1, "a"));
  expect(draw(1, "a")).not.toEqual(draw(2, "a"));
  expect(draw(1, "a")).not.toEqual(draw(1, "b"));

  const random = new Random(7, "means");
  const mean = (next: () => number): number => Array.from({ length: 20_000 }, next).reduce((a, b) => a + b) / 20_000;
  expect(mean(random.next)).toBeCloseTo(0.5, 1);
  expect(mean(() => random.exponential(10)) / 10).toBeCloseTo(1, 1);
  expect(mean(() => random.logNormal(10, 0.5)) / 10).toBeCloseTo(1, 1);
});

test("messages of one direction arrive in order, lost ones late, and none before a cut link is mended", () => {
  fc.assert(
    fc.property(fc.integer(), fc.double({ min: 0, max: 0.5, noNaN: true }), (seed, loss) => {
      const timeline = new Timeline();
      const link = new Link();
      link.loss = loss;
      const pipe = new Pipe({ timeline, random: new Random(seed, "pipe") }, link, 1);
      const arrived: number[] = [];
      const send = (message: number): void => pipe.send(() => arrived.push(message));
      for (let message = 0; message < 20; message += 1) timeline.after(message, () => send(message));
      // Long, as each loss in a row doubles the wait.
      timeline.runUntil(1e12);
      link.cut();
      send(20);
      timeline.runUntil(2e12);
      expect(arrived).toEqual(Array.from({ length: 20 }, (_, message) => message));
      link.mend();
      timeline.runUntil(3e12);
      expect(arrived.at(-1)).toBe(20);
    }),
    { numRuns: 30 },
  );
});
