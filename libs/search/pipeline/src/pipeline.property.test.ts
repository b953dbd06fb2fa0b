import { type Reason, WeftError } from "@weft/kit";
import type { ChangeResult, DocumentChange } from "@weft/search";
import fc from "fast-check";
import { expect, test } from "vitest";
import { settle, testPipeline } from "./pipeline.fixture.ts";

/** How a call goes: it takes so long, and fails as a whole, or some of its changes fail. */
const behaviour = fc.record({
  takesMs: fc.integer({ min: 0, max: 3000 }),
  fails: fc.option(fc.constantFrom<Reason>("UNAVAILABLE", "RESOURCE_EXHAUSTED", "PAYLOAD_TOO_LARGE", "DATA_LOSS"), {
    freq: 3,
  }),
  items: fc.array(
    fc.constantFrom<Reason | "applied" | "superseded">("applied", "superseded", "UNAVAILABLE", "INTERNAL"),
    {
      minLength: 1,
      maxLength: 5,
    },
  ),
});

const change = fc.record({ id: fc.constantFrom("a", "b", "c", "d", "e"), versioned: fc.boolean() });

test("each change that is taken has one result, no document is written twice at once, and order holds", async () => {
  const input = {
    changes: fc.array(change, { minLength: 1, maxLength: 40 }),
    behaviours: fc.array(behaviour, { minLength: 1, maxLength: 20 }),
    flushDocuments: fc.integer({ min: 1, max: 10 }),
    room: fc.integer({ min: 1, max: 20 }),
    attempts: fc.integer({ min: 1, max: 4 }),
    /** Of the changes that are added until then the rest is drained, and given up after 2 s. */
    disposeAfter: fc.option(fc.integer({ min: 1, max: 40 })),
  };
  await fc.assert(
    fc.asyncProperty(
      fc.record(input),
      async ({ changes, behaviours, flushDocuments, room, attempts, disposeAfter }) => {
        const underWay = new Set<string>();
        const twiceAtOnce: string[] = [];
        const order = new Map<string, number[]>();
        let calls = 0;
        const numberOf = (one: DocumentChange): number => (one.kind === "put" ? Number(one.document["number"]) : -1);
        const apply = async (sent: readonly DocumentChange[]): Promise<readonly ChangeResult[]> => {
          const { takesMs, fails, items } = behaviours[calls++ % behaviours.length] ?? {
            takesMs: 0,
            fails: null,
            items: [],
          };
          const alone = sent.filter(({ version }) => version === undefined);
          for (const one of alone) {
            if (underWay.has(one.id)) twiceAtOnce.push(one.id);
            underWay.add(one.id);
            order.set(one.id, [...(order.get(one.id) ?? []), numberOf(one)]);
          }
          await clock.sleep(takesMs);
          for (const { id } of alone) underWay.delete(id);
          if (fails !== null) throw new WeftError(fails, "as told");
          return sent.map((_, at) => {
            const outcome = items[at % items.length] ?? "applied";
            if (outcome === "applied" || outcome === "superseded") return { outcome };
            return { outcome: "failed", reason: outcome, detail: "as told" };
          });
        };
        const options = { flushDocuments, maxBufferedDocuments: room, attempts, drainTimeoutMs: 2000 };
        const { pipeline, clock } = testPipeline(options, apply);
        const results = changes.map((): number => 0);
        const refused = new Set<number>();
        const added = (async () => {
          for (const [number, { id, versioned }] of changes.entries()) {
            const version = versioned ? { version: BigInt(number) } : {};
            const one: DocumentChange = { kind: "put", id, ...version, document: { number } };
            await pipeline
              .add(one, () => (results[number] = (results[number] ?? 0) + 1))
              .catch((error: unknown) => {
                expect(error).toMatchObject({ reason: "DRAINING" });
                refused.add(number);
              });
            if (number === disposeAfter) void pipeline[Symbol.asyncDispose]();
          }
        })();
        for (
          let round = 0;
          round < 100 && results.some((count, at) => count + Number(refused.has(at)) === 0);
          round += 1
        ) {
          await clock.advance(10_000);
        }
        await added;
        await settle();
        expect(results.map((count, at) => count + Number(refused.has(at)))).toEqual(changes.map(() => 1));
        expect(twiceAtOnce).toEqual([]);
        for (const numbers of order.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
        await pipeline[Symbol.asyncDispose]();
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
