import { expect, test } from "vitest";
import { Host, ticksOf } from "./host.ts";

test("the first line of /proc/stat is read, and nothing else is taken for it", () => {
  const text = "cpu  100 1 20 300 4 5 6 64 7 8\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
  expect(ticksOf(text)).toEqual({ all: 500, stolen: 64 });
  for (const other of ["", "cpu 1 2 3\n", "intr 1 2 3 4 5 6 7 8\n", "cpu a b c d e f g h\n"]) {
    expect(ticksOf(other)).toBeUndefined();
  }
});

test("a moment is calm when little was taken around it", () => {
  let atMs = 0;
  let stolen = 0;
  using host = new Host(
    () => atMs,
    () => ({ all: atMs / 5, stolen }),
  );
  // Two processors: 20 ticks in 100 ms. Half of them are taken from 2 s to 3 s.
  for (; atMs < 5_000; atMs += 100) {
    host.look();
    if (atMs >= 2_000 && atMs < 3_000) stolen += 10;
  }
  expect(host.stolenBetween(2_000, 3_000)).toBeCloseTo(0.5);
  expect(host.stolenBetween(0, 1_000)).toBe(0);
  expect([1_000, 1_400, 1_700, 2_500, 2_900, 3_200, 4_000].map((at) => host.isCalm(at))).toEqual([
    true,
    true,
    false,
    false,
    false,
    true,
    true,
  ]);
  expect(host.calmBetween(0, 1_000)).toBe(1_000);
  expect(host.calmBetween(2_000, 3_000)).toBe(0);
});

test("where nobody tells what is taken, all is calm", () => {
  using host = new Host(
    () => 0,
    () => undefined,
  );
  expect(host.isCalm(5_000)).toBe(true);
  expect(host.calmBetween(1_000, 2_050)).toBeCloseTo(1_050);
});
