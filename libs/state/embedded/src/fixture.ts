import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ManualClock } from "@weft/kit";
import type { StateFixture } from "@weft/state/conformance";
import { EmbeddedState } from "./state.ts";

/** A data folder of its own for each test, and time that passes when it is told to. */
export async function openFixture(): Promise<StateFixture> {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-state-"));
  const clock = new ManualClock();
  const handles = new AsyncDisposableStack();
  return {
    open: async () => handles.use(new EmbeddedState({ dataDir, name: "test", clock })),
    // Nothing is held back in memory, so closing is all that a kill does.
    kill: async (store) => store[Symbol.asyncDispose](),
    pass: (ms) => clock.advance(ms),
    async [Symbol.asyncDispose]() {
      await handles.disposeAsync();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
