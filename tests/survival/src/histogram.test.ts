import { expect, test } from "vitest";
import { Histogram, Windows } from "./histogram.ts";

function within2Percent(actual: number, expected: number): void {
  expect(Math.abs(actual / expected - 1), `${actual} for ${expected}`).toBeLessThanOrEqual(0.021);
}

test("quantiles are right to 2 %", () => {
  const histogram = new Histogram();
  for (let at = 1; at <= 10_000; at += 1) histogram.add(at / 10);
  expect(histogram.total).toBe(10_000);
  for (const q of [0.001, 0.5, 0.9, 0.99, 1]) within2Percent(histogram.quantile(q), q * 1000);
});

test("what is out of bounds counts at them; of nothing there is no quantile", () => {
  const histogram = new Histogram();
  expect(histogram.quantile(0.99)).toBeNaN();
  histogram.add(0);
  histogram.add(1e9);
  expect(histogram.quantile(0.5)).toBeLessThan(0.1);
  expect(histogram.quantile(1)).toBeGreaterThan(55_000);
});

test("windows hold calls by when they began, and go to another process and back", () => {
  const windows = new Windows();
  windows.add(0, 1);
  windows.add(99.9, 2);
  windows.add(100, 50);
  windows.add(250, 100);
  const copy = Windows.from(JSON.parse(JSON.stringify(windows)));
  for (const each of [windows, copy]) {
    expect(each.between(0, 100).total).toBe(2);
    expect(each.between(100, 300).total).toBe(2);
    // Only whole windows count.
    expect(each.between(50, 250).total).toBe(1);
    within2Percent(each.between(0, 1000).quantile(1), 100);
    within2Percent(each.between(0, 1000).quantile(0.5), 2);
  }
  copy.merge(windows);
  expect(copy.between(0, 1000).total).toBe(8);
});
