import { expect, test } from "vitest";
import { ParallelLimit } from "./parallel.ts";

/** Sends `requests` to a server that works on so many at a time and takes `workMs` for each: the limit after each. */
function drive(limit: ParallelLimit, requests: number, server: { readonly atOnce: number; readonly workMs: number }) {
  const limits: number[] = [];
  let now = 0;
  for (let sent = 0; sent < requests; sent += 1) {
    const parallel = limit.limit;
    const tookMs = server.workMs * Math.max(1, parallel / server.atOnce);
    limit.take({ startedAt: now, endedAt: now + tookMs, parallel, full: true, overloaded: false });
    now += tookMs / parallel;
    limits.push(limit.limit);
  }
  return limits;
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

test("there are as many requests as the server works on at once, and a few that wait", () => {
  for (const atOnce of [1, 4, 8]) {
    const limits = drive(new ParallelLimit(50), 2000, { atOnce, workMs: 20 }).slice(1000);
    expect(mean(limits)).toBeGreaterThanOrEqual(atOnce * 0.8);
    expect(Math.max(...limits)).toBeLessThanOrEqual(atOnce + 4);
  }
});

test("never more than the most, never less than one", () => {
  const limit = new ParallelLimit(3);
  expect(Math.max(...drive(limit, 200, { atOnce: 100, workMs: 5 }))).toBe(3);
  for (let at = 0; at < 10; at += 1) {
    limit.take({ startedAt: 1e6 + at, endedAt: 1e6 + at, parallel: 1, full: true, overloaded: true });
  }
  expect(limit.limit).toBe(1);
});

test("a server that slows down gets fewer, one that turns work away half as many at once", () => {
  const limit = new ParallelLimit(50);
  drive(limit, 500, { atOnce: 20, workMs: 20 });
  const before = limit.limit;
  // All of these were under way when the first of them was turned away.
  for (const endedAt of [1e6, 1e6 + 1, 1e6 + 2]) {
    limit.take({ startedAt: 1e6 - 10, endedAt, parallel: before, full: true, overloaded: true });
  }
  expect(limit.limit).toBeGreaterThanOrEqual(Math.floor(before / 2));
  expect(limit.limit).toBeLessThan(before);
  const slowed = drive(limit, 500, { atOnce: 2, workMs: 200 }).slice(300);
  expect(Math.max(...slowed)).toBeLessThanOrEqual(6);
});

test("small requests say nothing", () => {
  const limit = new ParallelLimit(50);
  for (let at = 0; at < 100; at += 1) {
    limit.take({ startedAt: at, endedAt: at + 1, parallel: limit.limit, full: false, overloaded: false });
  }
  expect(limit.limit).toBe(2);
});
