import { expect, test } from "vitest";
import { interleave, median, quantile } from "./result.ts";

test("a quantile is a value that was measured", () => {
  expect(median([5, 1, 9])).toBe(5);
  expect(quantile([4, 1, 3, 2], 0.99)).toBe(4);
  expect(() => median([])).toThrow("no values");
});

test("runs are taken in turn, the first of each does not count, and ratios are of neighbours", async () => {
  const order: string[] = [];
  const series = (who: string, values: number[]) => async () => {
    order.push(who);
    const rate = values.shift() ?? Number.NaN;
    return { rate, perCpu: rate * 10 };
  };
  const ours = series("o", [1000, 10, 40, 30]);
  const peer = series("p", [1000, 20, 20, 60]);
  const compared = await interleave(3, ours, peer);
  expect(order.join("")).toBe("opoppoop");
  // 10/20, 40/20 and 30/60: the median of the ratios is not the ratio of the medians.
  expect(compared("rate")).toEqual({ ours: 30, peer: 20, ratio: 0.5 });
  expect(compared("perCpu")).toEqual({ ours: 300, peer: 200, ratio: 0.5 });
});
