import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "@weft/kit";
import type { PubSub } from "@weft/pubsub";
import type { PubSubFixture } from "@weft/pubsub/conformance";
import { EmbeddedPubSub } from "./pubsub.ts";

export interface EmbeddedFixture extends PubSubFixture {
  open(options?: { readonly clock?: Clock }): Promise<PubSub>;
}

/** A data folder of its own for each test. */
export async function openFixture(): Promise<EmbeddedFixture> {
  const dataDir = await mkdtemp(join(tmpdir(), "weft-pubsub-"));
  const handles: EmbeddedPubSub[] = [];
  return {
    async open(options = {}) {
      const handle = new EmbeddedPubSub({ dataDir, ...options });
      handles.push(handle);
      return handle;
    },
    async kill(pubsub) {
      handles.find((handle) => handle === pubsub)?.abandon();
    },
    async [Symbol.asyncDispose]() {
      // A failed law may leave handlers that never end: don't wait for them.
      for (const handle of handles) handle.abandon();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
