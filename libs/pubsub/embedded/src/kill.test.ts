import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openEmbeddedPubSub } from "./index.ts";

const here = JSON.stringify(join(import.meta.dirname, "index.ts"));

/** Publishes without end, ten calls at a time, and tells its parent what was acknowledged. */
const publisher = `
  const { openEmbeddedPubSub } = await import(${here});
  const pubsub = await openEmbeddedPubSub({ dataDir: process.argv[2] });
  for (let n = 0; ; n += 10) {
    const ids = Array.from({ length: 10 }, (_, index) => String(n + index));
    await Promise.all(ids.map((id) => pubsub.publish("t", [{ key: "k" + (Number(id) % 20), event: {
      id, source: "/s", type: "T", time: 1, dataContentType: "text/plain", data: new Uint8Array(8), extensions: {},
    } }])));
    process.send(ids);
  }
`;

/** Tells its parent of each event it handles. */
const subscriber = `
  const { openEmbeddedPubSub } = await import(${here});
  const pubsub = await openEmbeddedPubSub({ dataDir: process.argv[2] });
  await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, handle: async ({ event }) => {
    // Acknowledged only after the parent has it for sure.
    await new Promise((resolve) => process.send([event.id], resolve));
  } });
`;

async function start(folder: string, script: string, got: (ids: string[]) => void): Promise<ChildProcess> {
  const path = join(folder, `${script === publisher ? "publisher" : "subscriber"}.mjs`);
  await writeFile(path, script);
  const child = fork(path, [folder], { stdio: "inherit" });
  child.on("message", (ids) => got(ids as string[]));
  await once(child, "message");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  // Not "exit" alone: messages that were sent before the end must have been read.
  const gone = Promise.all([once(child, "disconnect"), once(child, "exit")]);
  child.kill("SIGKILL");
  await gone;
}

test(
  "processes killed at any point lose nothing that was acknowledged, and others take over",
  { timeout: 30_000 },
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "weft-kill-"));
    const published = new Set<string>();
    const handled = new Set<string>();
    const first = await start(folder, publisher, (ids) => ids.forEach((id) => published.add(id)));
    try {
      const victim = await start(folder, subscriber, (ids) => ids.forEach((id) => handled.add(id)));
      await new Promise((resolve) => setTimeout(resolve, 300));
      await kill(victim);
      await kill(first);
      expect(handled.size).toBeGreaterThan(0);

      await using pubsub = await openEmbeddedPubSub({ dataDir: folder });
      const killedAt = performance.now();
      let takenOverAfter = Number.POSITIVE_INFINITY;
      const caughtUp = Promise.withResolvers<void>();
      const lost = (): string[] => [...published].filter((id) => !handled.has(id));
      await pubsub.subscribe({
        group: "g",
        topics: ["t"],
        sessionTimeoutMs: 1000,
        handle: async ({ event }) => {
          takenOverAfter = Math.min(takenOverAfter, performance.now() - killedAt);
          handled.add(event.id);
          if (handled.size >= published.size && lost().length === 0) caughtUp.resolve();
        },
      });
      await Promise.race([caughtUp.promise, new Promise((resolve) => setTimeout(resolve, 10_000))]);
      expect(lost()).toEqual([]);
      expect(takenOverAfter).toBeLessThan(2500);
    } finally {
      if (first.exitCode === null && first.signalCode === null) await kill(first);
      await rm(folder, { recursive: true, force: true });
    }
  },
);
