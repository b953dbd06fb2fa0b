import fc from "fast-check";
import { expect, test } from "vitest";
import { Unseen } from "./unseen.ts";

/** A table and its writers, as a database runs them: ids are drawn one after the other, under a lock kept to the end. */
class Table {
  readonly committed = new Set<bigint>();
  readonly #open = new Map<number, bigint[]>();
  #last = 0n;

  step({ kind, writer }: Step): void {
    if (kind === "draw") this.#open.set(writer, [...(this.#open.get(writer) ?? []), (this.#last += 1n)]);
    if (kind === "commit") for (const id of this.#open.get(writer) ?? []) this.committed.add(id);
    if (kind !== "draw") this.#open.delete(writer);
  }

  get writers(): ReadonlySet<string> {
    return new Set([...this.#open.keys()].map(String));
  }
}

interface Step {
  readonly kind: "draw" | "commit" | "rollback";
  readonly writer: number;
}

/** A turn of the relay, what happens before it, and what happens between its read and its look at the writers. */
interface Turn {
  readonly before: readonly Step[];
  readonly between: readonly Step[];
  readonly limit: number;
}

const step = fc.record({
  kind: fc.constantFrom("draw", "draw", "draw", "commit", "commit", "rollback"),
  writer: fc.nat(4),
});
const turn = fc.record({
  before: fc.array(step, { maxLength: 8 }),
  between: fc.array(step, { maxLength: 4 }),
  limit: fc.integer({ min: 1, max: 6 }),
});
const turns = fc.array(turn, { minLength: 1, maxLength: 25 });

type Order = "writers after the read" | "writers before the read";

/** Plays turns, each of which must find what was committed before it. */
function play(all: readonly Turn[], unseen: Unseen, order: Order = "writers after the read"): void {
  const table = new Table();
  const published = new Set<bigint>();
  for (const { before, between, limit } of all) {
    const early = table.writers;
    for (const one of before) table.step(one);
    const waiting = [...table.committed].filter((id) => !published.has(id)).toSorted((a, b) => Number(a - b));
    const found = waiting.filter((id) => unseen.ranges.some(({ low, high }) => low <= id && id <= high));
    expect(found).toEqual(waiting);
    const seen = found.slice(0, limit);
    for (const one of between) table.step(one);
    const writers = order === "writers after the read" ? table.writers : early;
    for (const id of seen) published.add(id);
    unseen.found({ seen, isComplete: found.length < limit, writers });
  }
}

test.each([1, 2, 500])("with %i gaps told apart, each read finds what was committed before it", (maxGaps) => {
  fc.assert(
    fc.property(turns, (all) => play(all, new Unseen(maxGaps))),
    { numRuns: 500 },
  );
});

test("writers that are looked at before the read are too few", () => {
  const wrong = fc.property(turns, (all) => play(all, new Unseen(), "writers before the read"));
  expect(fc.check(wrong, { numRuns: 500, seed: 1 }).failed).toBe(true);
});

test("gaps are given up when those who could fill them have ended, and not before", () => {
  const unseen = new Unseen();
  unseen.found({ seen: [1n, 3n, 7n], isComplete: true, writers: new Set(["long"]) });
  const above = { low: 8n, high: 2n ** 63n - 1n };
  const gaps = [
    { low: 0n, high: 0n },
    { low: 2n, high: 2n },
    { low: 4n, high: 6n },
  ];
  expect(unseen.ranges).toMatchObject([...gaps, above]);
  unseen.found({ seen: [5n], isComplete: true, writers: new Set(["long", "later"]) });
  unseen.found({ seen: [], isComplete: true, writers: new Set(["later"]) });
  expect(unseen.ranges).toHaveLength(5);
  unseen.found({ seen: [6n], isComplete: false, writers: new Set(["later"]) });
  expect(unseen.ranges).toEqual([above]);
});

test("a read of everything may find what should not be there", () => {
  const unseen = new Unseen();
  unseen.found({ seen: [5n], isComplete: true, writers: new Set() });
  unseen.found({ seen: [], isComplete: true, writers: new Set() });
  unseen.found({ seen: [2n, 9n], isComplete: true, writers: new Set(["a"]) });
  expect(unseen.ranges.map(({ low, high }) => [low, high].join("-"))).toEqual(["6-8", `10-${2n ** 63n - 1n}`]);
});
