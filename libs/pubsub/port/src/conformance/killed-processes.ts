import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { PubSub } from "../pubsub.ts";

export interface KilledProcessesOptions {
  /** Text of a module that has `pubsub`: how a process of its own opens the store. */
  readonly setup: string;
  /** Opens the same store here, once the processes are dead. */
  readonly open: () => Promise<PubSub>;
}

/** Publishes without end, ten calls at a time, and tells its parent what was acknowledged. */
const publisher = `
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
  await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, handle: async ({ event }) => {
    // Acknowledged only after the parent has it for sure.
    await new Promise((resolve) => process.send([event.id], resolve));
  } });
`;

/**
 * Laws P1 and P4 with real processes, for stores that several open: a publisher and a subscriber are killed; nothing
 * that was acknowledged is lost, and another member takes over within a session timeout and a second. For a test's body.
 */
export async function killedProcessesLoseNothing({ setup, open }: KilledProcessesOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "weft-kill-"));
  const published = new Set<string>();
  const handled = new Set<string>();
  const children: ChildProcess[] = [];
  const start = async (script: string, got: Set<string>): Promise<ChildProcess> => {
    const path = join(folder, `${children.length}.mjs`);
    await writeFile(path, `${setup}\n${script}`);
    const child = fork(path, [], { stdio: "inherit" });
    children.push(child);
    child.on("message", (ids) => (ids as string[]).forEach((id) => got.add(id)));
    await once(child, "message");
    return child;
  };
  try {
    const first = await start(publisher, published);
    const victim = await start(subscriber, handled);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await kill(victim);
    await kill(first);
    expect(handled.size).toBeGreaterThan(0);

    await using pubsub = await open();
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
    for (const child of children) await kill(child);
    await rm(folder, { recursive: true, force: true });
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // Not "exit" alone: messages that were sent before the end must have been read.
  const gone = Promise.all([once(child, "disconnect"), once(child, "exit")]);
  child.kill("SIGKILL");
  await gone;
}
