import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@weft/kit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ResultPages } from "./pages.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-search-pages-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const definition = "{}";
const gone = expect.objectContaining({ reason: "INVALID_PAGE_TOKEN" });

test("a list is kept for its index, also for another process, and shared by equal queries", () => {
  using pages = new ResultPages({ dataDir: folder, clock: new ManualClock() });
  using other = new ResultPages({ dataDir: folder, clock: new ManualClock() });
  const list = { rows: [3, 1, 2 ** 32 - 1], scores: [0.5, 0.25, 0], definition };
  const key = pages.save(1, "q", list);
  expect(other.save(1, "q", { rows: [3, 1, 2], scores: undefined, definition })).toBe(key);
  expect(other.load(1, key)).toEqual(list);
  expect(() => other.load(2, key)).toThrow(gone);
});

test("a list lives for ten minutes after its last use", async () => {
  const clock = new ManualClock();
  using pages = new ResultPages({ dataDir: folder, clock });
  const key = pages.save(1, "q", { rows: [1], scores: undefined, definition });
  for (let turn = 0; turn < 3; turn += 1) {
    await clock.advance(9 * 60_000);
    expect(pages.load(1, key).rows).toEqual([1]);
  }
  await clock.advance(11 * 60_000);
  expect(() => pages.load(1, key)).toThrow(gone);
});

test("all lists together are bounded, the least used go first", async () => {
  const clock = new ManualClock();
  using pages = new ResultPages({ dataDir: folder, clock, maxBytes: 1000 });
  const keys: string[] = [];
  // 4 bytes a row: one fits.
  for (const query of ["a", "b"]) {
    keys.push(pages.save(1, query, { rows: Array.from({ length: 200 }, () => 7), scores: undefined, definition }));
    await clock.advance(1);
  }
  expect(() => pages.load(1, keys[0] ?? "")).toThrow(gone);
  expect(pages.load(1, keys[1] ?? "").rows).toHaveLength(200);
});
