import fc from "fast-check";
import { expect, test } from "vitest";
import { Draw } from "./draw.ts";
import { endpointsOf } from "./fixture.ts";

const weights = fc.array(fc.double({ min: 0.01, max: 100, noNaN: true }), { minLength: 2, maxLength: 12 });
const at = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

test("it draws two different ones, whatever the weights", () => {
  fc.assert(
    fc.property(weights, at, at, (given, one, other) => {
      const draw = new Draw(endpointsOf(given));
      const first = draw.first(one);
      const second = draw.second(other, first);
      expect(second).not.toBe(first);
      for (const place of [first, second]) expect(given[place]).toBeDefined();
    }),
  );
});

test("parts of [0, 1) are as large as weights: all of them for the first, those that are left for the second", () => {
  const draw = new Draw(endpointsOf([1, 4, 3]));
  const places = (find: (at: number) => number): number[] =>
    [0, 0.1, 0.12, 0.13, 0.24, 0.26, 0.6, 0.63, 0.99].map(find);
  expect(places((part) => draw.first(part))).toEqual([0, 0, 0, 1, 1, 1, 1, 2, 2]);
  expect(places((part) => draw.second(part, 1))).toEqual([0, 0, 0, 0, 0, 2, 2, 2, 2]);
});

test("where all weights are the same, everybody is drawn as often", () => {
  const draw = new Draw(endpointsOf([2, 2, 2, 2]));
  expect([0, 0.25, 0.5, 0.75].map((part) => draw.first(part))).toEqual([0, 1, 2, 3]);
  expect([0, 0.34, 0.67].map((part) => draw.second(part, 2))).toEqual([3, 0, 1]);
});
