import type { Law } from "@weft/kit/testing";
import { expect } from "vitest";
import type { StateFixture } from "./fixture.ts";
import { bytes, failsWith, textOf } from "./tools.ts";

/** S1 to S4, S8 and the limits: what holds for single keys. */
export const keyLaws: readonly Law<StateFixture>[] = [
  {
    title: "S1 a missing key reads as undefined, and deleting it does nothing",
    async run(fixture) {
      const store = await fixture.open();
      expect(await store.get("a")).toBeUndefined();
      await store.delete("a");
      await store.set("b", bytes(""));
      expect((await store.getMany(["a", "b", "a"])).map(textOf)).toEqual([undefined, "", undefined]);
      await store.delete("b");
      expect(await store.get("b")).toBeUndefined();
    },
  },
  {
    title: "S1 keys and values come back byte for byte",
    async run(fixture) {
      const store = await fixture.open();
      const value = Uint8Array.from({ length: 256 }, (_, index) => index);
      const keys = ["a", "A", "a ", "ä", "a\u0308", "鍵/🔑", "x\u0000y", "x", "k".repeat(1024), "'; --", "%", "*?[a]"];
      for (const key of keys) await store.set(key, Buffer.concat([value, Buffer.from(key)]));
      const found = await store.getMany(keys);
      expect(found.map((entry) => entry?.key)).toEqual(keys);
      for (const [index, key] of keys.entries()) {
        expect(Buffer.concat([value, Buffer.from(key)]).equals(found[index]?.value ?? bytes("no"))).toBe(true);
      }
    },
  },
  {
    title: "S1 keys and values over the limits are refused",
    async run(fixture) {
      const store = await fixture.open();
      for (const key of ["", "k".repeat(1025), "ä".repeat(513), "\ud800"]) {
        await failsWith("INVALID_ARGUMENT", store.set(key, bytes("x")));
        await failsWith("INVALID_ARGUMENT", store.get(key));
        await failsWith("INVALID_ARGUMENT", store.delete(key));
      }
      await failsWith("PAYLOAD_TOO_LARGE", store.set("a", new Uint8Array(8 * 1024 * 1024 + 1)));
      await store.set("a", new Uint8Array(8 * 1024 * 1024));
      expect((await store.get("a"))?.value.byteLength).toBe(8 * 1024 * 1024);
    },
  },
  {
    title: "S2 every write changes the etag, and none is given twice, also not after a delete",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      const seen = new Set<string>();
      for (let n = 0; n < 20; n += 1) {
        const store = n % 2 === 0 ? one : two;
        const etag = await store.set("a", bytes("same"));
        expect((await two.get("a"))?.etag).toBe(etag);
        seen.add(etag);
        if (n % 3 === 0) await one.delete("a");
      }
      expect(seen.size).toBe(20);
    },
  },
  {
    title: "S3 a write or delete with an etag succeeds only over that version",
    async run(fixture) {
      const store = await fixture.open();
      const first = await store.set("a", bytes("1"));
      const second = await store.set("a", bytes("2"), { etag: first });
      await failsWith("ETAG_MISMATCH", store.set("a", bytes("3"), { etag: first }));
      await failsWith("ETAG_MISMATCH", store.delete("a", { etag: first }));
      await failsWith("ETAG_MISMATCH", store.set("b", bytes("3"), { etag: second }));
      await failsWith("ETAG_MISMATCH", store.delete("b", { etag: second }));
      expect(textOf(await store.get("a"))).toBe("2");
      expect(await store.get("b")).toBeUndefined();
      await store.delete("a", { etag: second });
      expect(await store.get("a")).toBeUndefined();
      await failsWith("ETAG_MISMATCH", store.set("a", bytes("4"), { etag: second }));
    },
  },
  {
    title: "S3 an etag of a form the store never gave is INVALID_ETAG",
    async run(fixture) {
      const store = await fixture.open();
      await store.set("a", bytes("1"));
      for (const etag of ["", "not an etag", "1 OR 1=1", "\u0000"]) {
        await failsWith("INVALID_ETAG", store.set("a", bytes("2"), { etag }));
        await failsWith("INVALID_ETAG", store.delete("a", { etag }));
      }
      expect(textOf(await store.get("a"))).toBe("1");
    },
  },
  {
    title: "S4 of many writers with ifAbsent, or with one etag, exactly one succeeds",
    async run(fixture) {
      const stores = [await fixture.open(), await fixture.open(), await fixture.open()];
      const race = async (options: { ifAbsent?: boolean; etag?: string }, key: string): Promise<string> => {
        const tries = Array.from({ length: 12 }, async (_, n) => stores[n % 3]?.set(key, bytes(String(n)), options));
        const results = await Promise.allSettled(tries);
        const won = results.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
        for (const result of results) {
          if (result.status === "rejected") expect(result.reason).toMatchObject({ reason: "ETAG_MISMATCH" });
        }
        expect(won).toHaveLength(1);
        return won[0] ?? "";
      };
      const etag = await race({ ifAbsent: true }, "a");
      expect((await stores[0]?.get("a"))?.etag).toBe(etag);
      await race({ etag }, "a");
      await failsWith("INVALID_ARGUMENT", stores[0]?.set("a", bytes("x"), { etag, ifAbsent: true }));
    },
  },
  {
    title: "S8 what a resolved write stored is read by others, also after a crash of the writer",
    async run(fixture) {
      const [one, two] = [await fixture.open(), await fixture.open()];
      for (let n = 0; n < 10; n += 1) {
        await one.set("a", bytes(String(n)));
        expect(textOf(await two.get("a"))).toBe(String(n));
      }
      await fixture.kill(one);
      expect(textOf(await two.get("a"))).toBe("9");
      expect(textOf(await (await fixture.open()).get("a"))).toBe("9");
    },
  },
];
