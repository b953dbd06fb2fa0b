import { newUuid } from "@weft/kit";
import type { Operation } from "@weft/kit/testing";
import type { Discovery } from "../index.ts";

/** What a process does with discovery, for {@link describeFaults}. Each run registers an instance of its own. */
export const discoveryOperations: readonly Operation<Discovery>[] = [
  {
    title: "register, then leave",
    writes: true,
    run: async (discovery) => {
      const instance = { service: "fault", id: newUuid(), address: "127.0.0.1:1", metadata: {} };
      await (await discovery.register(instance))[Symbol.asyncDispose]();
    },
  },
  { title: "list", writes: false, run: (discovery) => discovery.list() },
];
