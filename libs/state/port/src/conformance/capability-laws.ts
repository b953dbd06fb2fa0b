import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { StateCapability, StateOperation, StateStore } from "../state.ts";
import type { StateFixture } from "./fixture.ts";
import { bytes, failsWith, textOf } from "./tools.ts";

const uses: Readonly<Record<StateCapability, (store: StateStore) => Promise<unknown>>> = {
  ttl: (store) => store.set("a", bytes("x"), { ttlMs: 1000 }),
  transactions: (store) => store.transaction([{ kind: "set", key: "a", value: bytes("x") }]),
  ranges: (store) => store.range({ prefix: "", limit: 1 }),
};

/** A law of a capability: it holds, or the store neither declares nor has it (S9). */
function having(capability: StateCapability, law: Law<StateFixture>): Law<StateFixture> {
  return {
    title: law.title,
    async run(fixture) {
      const store = await fixture.open();
      if (store.capabilities.has(capability)) await law.run(fixture);
      else await failsWith("UNIMPLEMENTED", uses[capability](store));
    },
  };
}

/** S5, S6, S7, each with S9. */
export const capabilityLaws: readonly Law<StateFixture>[] = [
  having("ttl", {
    title: "S5 an entry is not seen from its TTL on",
    async run(fixture) {
      const store = await fixture.open();
      // Long enough for a slow machine, where real time passes.
      const etag = await store.set("a", bytes("1"), { ttlMs: 3000 });
      await store.set("b", bytes("1"));
      await fixture.pass(1000);
      expect(textOf(await store.get("a"))).toBe("1");
      await fixture.pass(2000);
      expect((await store.getMany(["a", "b"])).map(textOf)).toEqual([undefined, "1"]);
      if (store.capabilities.has("ranges")) {
        expect((await store.range({ prefix: "", limit: 10 })).map((entry) => entry.key)).toEqual(["b"]);
      }
      await failsWith("ETAG_MISMATCH", store.set("a", bytes("2"), { etag }));
      await store.set("a", bytes("3"), { ifAbsent: true });
      for (const ttlMs of [0, -1, 0.5, Number.NaN]) {
        await failsWith("INVALID_ARGUMENT", store.set("a", bytes("x"), { ttlMs }));
      }
    },
  }),
  having("ttl", {
    title: "S5 a write without a TTL removes an older one's",
    async run(fixture) {
      const store = await fixture.open();
      await store.set("a", bytes("1"), { ttlMs: 200 });
      await store.set("a", bytes("2"));
      await fixture.pass(300);
      expect(textOf(await store.get("a"))).toBe("2");
    },
  }),
  having("transactions", {
    title: "S6 a transaction happens as a whole or not at all",
    async run(fixture) {
      const store = await fixture.open();
      const etag = await store.set("a", bytes("1"));
      await store.set("gone", bytes("1"));
      const attempts: { failing: StateOperation; reason: string }[] = [
        { failing: { kind: "set", key: "gone", value: bytes("x"), ifAbsent: true }, reason: "ETAG_MISMATCH" },
        { failing: { kind: "delete", key: "gone", etag }, reason: "ETAG_MISMATCH" },
        { failing: { kind: "set", key: "gone", value: bytes("x"), etag: "not an etag" }, reason: "INVALID_ETAG" },
        { failing: { kind: "set", key: "", value: bytes("x") }, reason: "INVALID_ARGUMENT" },
        { failing: { kind: "delete", key: "a" }, reason: "INVALID_ARGUMENT" },
      ];
      for (const { failing, reason } of attempts) {
        const set = { kind: "set", key: "a", value: bytes("2"), etag } as const;
        await failsWith(reason, store.transaction([set, { kind: "set", key: "new", value: bytes("1") }, failing]));
        expect((await store.getMany(["a", "new", "gone"])).map(textOf)).toEqual(["1", undefined, "1"]);
        expect((await store.get("a"))?.etag).toBe(etag);
      }
      await store.transaction([
        { kind: "set", key: "a", value: bytes("2"), etag },
        { kind: "set", key: "new", value: bytes("1"), ifAbsent: true },
        { kind: "delete", key: "gone" },
        { kind: "delete", key: "never there" },
      ]);
      expect((await store.getMany(["a", "new", "gone"])).map(textOf)).toEqual(["2", "1", undefined]);
      await store.transaction([]);
    },
  }),
  having("transactions", {
    title: "S6 of transactions that exclude each other exactly one happens",
    async run(fixture) {
      const stores = [await fixture.open(), await fixture.open()];
      const tries = Array.from({ length: 10 }, async (_, n) =>
        stores[n % 2]?.transaction([
          { kind: "set", key: `mine-${n}`, value: bytes("x") },
          { kind: "set", key: "shared", value: bytes(String(n)), ifAbsent: true },
        ]),
      );
      const results = await Promise.allSettled(tries);
      const winner = results.findIndex((result) => result.status === "fulfilled");
      expect(results.filter((result) => result.status === "fulfilled")).toHaveLength(1);
      const found = await stores[0]?.getMany(results.map((_, n) => `mine-${n}`));
      expect(found?.map((entry) => entry !== undefined)).toEqual(results.map((_, n) => n === winner));
      expect(textOf(await stores[1]?.get("shared"))).toBe(String(winner));
    },
  }),
  having("ranges", {
    title: "S7 a range goes by the bytes of the keys, in pages, both ways",
    async run(fixture) {
      const store = await fixture.open();
      // In the order of their bytes; UTF-16 would put the last two the other way round.
      const inside = ["p/", "p/A", "p/a", "p/a\u0000", "p/aa", "p/b", "p/ä", "p/\uffee", "p/🔑"];
      for (const key of ["p", "p.", "p0", "o", "q", "P/a", ...inside.toReversed()]) await store.set(key, bytes(key));
      const keys = async (more: { after?: string; reverse?: boolean; limit?: number } = {}): Promise<string[]> =>
        (await store.range({ prefix: "p/", limit: 1000, ...more })).map((entry) => entry.key);
      expect(await keys()).toEqual(inside);
      expect(await keys({ reverse: true })).toEqual(inside.toReversed());
      expect(await keys({ limit: 2 })).toEqual(inside.slice(0, 2));
      expect(await keys({ after: "p/a", limit: 2 })).toEqual(["p/a\u0000", "p/aa"]);
      expect(await keys({ after: "p/a", reverse: true })).toEqual(["p/A", "p/"]);
      expect(await keys({ after: "p/aaa" })).toEqual(inside.slice(5));
      expect(await keys({ after: "a" })).toEqual(inside);
      expect(await keys({ after: "z" })).toEqual([]);
      expect(await keys({ after: "z", reverse: true })).toEqual(inside.toReversed());
      expect(await keys({ after: "a", reverse: true })).toEqual([]);
      const [first] = await store.range({ prefix: "p/A", limit: 1 });
      expect(first).toEqual(await store.get("p/A"));
      expect(await store.range({ prefix: "", limit: 1000 })).toHaveLength(inside.length + 6);
      for (const limit of [0, 1001, 1.5]) await failsWith("INVALID_ARGUMENT", store.range({ prefix: "", limit }));
    },
  }),
];
