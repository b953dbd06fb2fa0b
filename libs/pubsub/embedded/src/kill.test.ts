import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { killedProcessesLoseNothing } from "@weft/pubsub/conformance";
import { test } from "vitest";
import { openEmbeddedPubSub } from "./index.ts";

test(
  "processes killed at any point lose nothing that was acknowledged, and others take over",
  { timeout: 30_000 },
  async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "weft-kill-"));
    try {
      await killedProcessesLoseNothing({
        setup: `
          const { openEmbeddedPubSub } = await import(${JSON.stringify(join(import.meta.dirname, "index.ts"))});
          const pubsub = await openEmbeddedPubSub({ dataDir: ${JSON.stringify(dataDir)} });
        `,
        open: () => openEmbeddedPubSub({ dataDir }),
      });
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  },
);
