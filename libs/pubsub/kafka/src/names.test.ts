import { expect, test } from "vitest";
import { Names, withoutParked } from "./names.ts";

test("topics that hold retries and dead letters are told from those that are only named like them", () => {
  const names = new Names("weft");
  const long = "t".repeat(200);
  const parked = [
    names.retry("a", "g"),
    names.dead("a", "g.retry.h"),
    names.retry("a.retry.b", "g"),
    names.dead(long, long),
  ];
  const plain = ["a", "a.retry.b.c", "b.dlt.g", ".retry.", long];
  // "a.retry.b" would pass for what a group `b` has to try again of `a`.
  expect(withoutParked([...plain, ...parked, "a.retry.b"])).toEqual(["a", "b.dlt.g", ".retry.", long]);
  expect(withoutParked(["a.retry.b", "b"])).toEqual(["a.retry.b", "b"]);
});

test("of the names on the broker, a namespace's own are listed", () => {
  const all = ["a", "x.a", "x.__b", "xx.a", "__consumer_offsets", "x."];
  expect(new Names("x").plains(all)).toEqual(["a", "__b", ""]);
  expect(new Names("weft").plains(all)).toEqual(["a", "x.a", "x.__b", "xx.a", "x."]);
});
