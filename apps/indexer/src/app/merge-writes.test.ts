import type { ChangeResult, DocumentChange } from "@weft/search";
import { WeftError } from "@weft/kit";
import { expect, test } from "vitest";
import { mergeWrites } from "./merge-writes.ts";

/** An engine whose calls end when the test says. Ids that begin with `old` are superseded. */
function slowEngine() {
  const calls: { readonly index: string; readonly ids: readonly string[]; finish(): void; fail(error: Error): void }[] =
    [];
  const apply = (index: string, changes: readonly DocumentChange[]): Promise<readonly ChangeResult[]> => {
    const done = Promise.withResolvers<readonly ChangeResult[]>();
    const outcomeOf = ({ id }: DocumentChange) => (id.startsWith("old") ? "superseded" : "applied");
    calls.push({
      index,
      ids: changes.map(({ id }) => id),
      finish: () => done.resolve(changes.map((change) => ({ outcome: outcomeOf(change) }))),
      fail: (error) => done.reject(error),
    });
    return done.promise;
  };
  return { calls, apply };
}

const put = (id: string): DocumentChange => ({ kind: "put", id, document: { id } });
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("the first goes at once; what comes meanwhile goes together, and each caller hears of their own", async () => {
  const engine = slowEngine();
  const { apply } = mergeWrites(engine);
  const first = apply("users", [put("a")]);
  const others = [apply("users", [put("b"), put("old-c")]), apply("users", [put("old-d")])];
  const elsewhere = apply("packages", [put("e")]);
  expect(engine.calls.map(({ ids }) => ids)).toEqual([["a"], ["e"]]);
  for (const call of engine.calls) call.finish();
  expect([await first, await elsewhere]).toEqual([[{ outcome: "applied" }], [{ outcome: "applied" }]]);
  await turn();
  expect(engine.calls[2]).toMatchObject({ index: "users", ids: ["b", "old-c", "old-d"] });
  engine.calls[2]?.finish();
  expect(await Promise.all(others)).toEqual([
    [{ outcome: "applied" }, { outcome: "superseded" }],
    [{ outcome: "superseded" }],
  ]);
  await turn();
  const again = apply("users", [put("f")]);
  engine.calls[3]?.finish();
  await again;
});

test("a call that fails fails all that went with it, and no other", async () => {
  const engine = slowEngine();
  const { apply } = mergeWrites(engine);
  const first = apply("users", [put("a")]);
  const [second, third] = [apply("users", [put("b")]), apply("users", [put("c")])];
  engine.calls[0]?.fail(new WeftError("UNAVAILABLE", "away"));
  await expect(first).rejects.toMatchObject({ reason: "UNAVAILABLE" });
  await turn();
  engine.calls[1]?.finish();
  await Promise.all([second, third]);
});

test("no call has more than 500 changes, unless a caller brings more", async () => {
  const engine = slowEngine();
  const { apply } = mergeWrites(engine);
  const many = (count: number, prefix: string) => Array.from({ length: count }, (_, at) => put(`${prefix}${at}`));
  const all = [
    ["a", 1],
    ["b", 300],
    ["c", 200],
    ["d", 1],
    ["e", 700],
  ] as const;
  const results = all.map(([prefix, count]) => apply("users", many(count, prefix)));
  for (let at = 0; at < 4; at += 1) {
    engine.calls[at]?.finish();
    await turn();
  }
  expect(engine.calls.map(({ ids }) => ids.length)).toEqual([1, 500, 1, 700]);
  expect((await Promise.all(results)).map(({ length }) => length)).toEqual([1, 300, 200, 1, 700]);
});
