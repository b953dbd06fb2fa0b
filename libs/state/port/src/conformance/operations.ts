import assert from "node:assert/strict";
import { newUuid } from "@weft/kit";
import type { Operation } from "@weft/kit/testing";
import type { StateStore } from "../state.ts";
import { bytes, textOf } from "./tools.ts";

const key = "fault";

/** What a caller does with a store that has every capability, for {@link describeFaults}. */
export const stateOperations: readonly Operation<StateStore>[] = [
  { title: "get", writes: false, run: (store) => store.get(key) },
  { title: "getMany", writes: false, run: (store) => store.getMany([key, "missing"]) },
  { title: "range", writes: false, run: (store) => store.range({ prefix: key, limit: 10 }) },
  { title: "delete of nothing", writes: false, run: (store) => store.delete("missing") },
  { title: "set", writes: true, run: (store) => store.set(key, bytes("x")) },
  {
    title: "set where nothing is, with a TTL",
    writes: true,
    run: (store) => store.set(`${key}/${newUuid()}`, bytes("x"), { ifAbsent: true, ttlMs: 60_000 }),
  },
  {
    title: "set, over that version, and get",
    writes: true,
    run: async (store) => {
      const own = `${key}/${newUuid()}`;
      const etag = await store.set(own, bytes("1"));
      await store.set(own, bytes("2"), { etag });
      assert.equal(textOf(await store.get(own)), "2");
    },
  },
  {
    title: "transaction",
    writes: true,
    run: (store) =>
      store.transaction([
        { kind: "set", key: `${key}/a`, value: bytes("x") },
        { kind: "delete", key: `${key}/b` },
      ]),
  },
];
