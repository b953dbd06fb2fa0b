import assert from "node:assert/strict";
import type { Operation } from "@weft/kit/testing";
import type { ConfigurationStore } from "../index.ts";

/** What a caller does with settings, for {@link describeFaults}. */
export const configurationOperations: readonly Operation<ConfigurationStore>[] = [
  { title: "set", writes: true, run: (store) => store.set("fault.set", "1") },
  { title: "set to nothing", writes: true, run: (store) => store.set("fault.removed", undefined) },
  { title: "get some", writes: false, run: (store) => store.get(["fault.set", "fault.missing"]) },
  {
    title: "get all",
    writes: false,
    run: async (store) => assert.ok((await store.get([])) instanceof Map),
  },
];
