import { type ChildProcess, fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Secret } from "@weft/kit";
import { describeBackend } from "@weft/native/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { brokerSettings, freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";

const open = `
  const { Secret } = await import(${JSON.stringify(join(import.meta.dirname, "../../../kit/src/index.ts"))});
  const { openKafkaPubSub } = await import(${JSON.stringify(join(import.meta.dirname, "index.ts"))});
  const pubsub = await openKafkaPubSub({ url: new Secret(process.argv[2]) });
  const eventOf = (id) => ({ key: "k" + (Number(id) % 20), event: {
    id, source: "/s", type: "T", time: 1, dataContentType: "text/plain", data: new Uint8Array(8), extensions: {},
  } });
`;

/** Publishes without end, ten calls at a time, and tells its parent what was acknowledged. */
const publisher = `${open}
  for (let n = 0; ; n += 10) {
    const ids = Array.from({ length: 10 }, (_, index) => String(n + index));
    await Promise.all(ids.map((id) => pubsub.publish("t", [eventOf(id)])));
    process.send(ids);
  }
`;

/** Tells its parent of each event it handles. */
const subscriber = `${open}
  await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, handle: async ({ event }) => {
    // Acknowledged only after the parent has it for sure.
    await new Promise((resolve) => process.send([event.id], resolve));
  } });
`;

/** Does a bit of everything, and has nothing left to do. */
const visitor = `${open}
  const got = Promise.withResolvers();
  await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, handle: async () => got.resolve() });
  await pubsub.publish("t", [eventOf("1")]);
  await got.promise;
  await pubsub.deadLetters({ topic: "t", group: "g" });
  await pubsub.lag("g");
  await new Promise((resolve) => setTimeout(resolve, 500));
  // How many timers are set in a second at rest: a count, because CPU time depends on what else the machine does.
  const { setTimeout: original } = globalThis;
  let timers = 0;
  globalThis.setTimeout = (...args) => {
    timers += 1;
    return original(...args);
  };
  await new Promise((resolve) => original(resolve, 1000));
  globalThis.setTimeout = original;
  console.log(timers);
  await pubsub[Symbol.asyncDispose]();
`;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "weft-kafka-process-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function written(script: string): Promise<string> {
  const path = join(folder, `${[publisher, subscriber, visitor].indexOf(script)}.mjs`);
  await writeFile(path, script);
  return path;
}

async function start(url: string, script: string, got: (ids: string[]) => void): Promise<ChildProcess> {
  const child = fork(await written(script), [url], { stdio: "inherit" });
  child.on("message", (ids) => got(ids as string[]));
  await once(child, "message");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // Not "exit" alone: messages that were sent before the end must have been read.
  const gone = Promise.all([once(child, "disconnect"), once(child, "exit")]);
  child.kill("SIGKILL");
  await gone;
}

describeBackend(
  "kafka",
  (server) => {
    test("processes killed at any point lose nothing that was acknowledged, and others take over", async () => {
      const url = freshUrl(server().url);
      const published = new Set<string>();
      const handled = new Set<string>();
      const children: ChildProcess[] = [];
      try {
        const first = await start(url, publisher, (ids) => ids.forEach((id) => published.add(id)));
        children.push(first);
        const victim = await start(url, subscriber, (ids) => ids.forEach((id) => handled.add(id)));
        children.push(victim);
        await new Promise((resolve) => setTimeout(resolve, 300));
        await kill(victim);
        await kill(first);
        expect(handled.size).toBeGreaterThan(0);

        await using pubsub = await openKafkaPubSub({ url: new Secret(url) });
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
      }
    });

    test("a process that is done ends by itself, having warned of nothing and rested when there was nothing to do", async () => {
      const child = spawn(process.execPath, [await written(visitor), freshUrl(server().url)], {
        stdio: ["ignore", "pipe", "pipe"],
      });
      try {
        const [out, err] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
        // TimeoutNegativeWarning, the warning of the partitioner, and whatever comes next.
        expect(err).toBe("");
        // Heartbeats and looks at what is to be committed. kafkajs as it is sets one each millisecond, for each connection.
        expect(Number(out)).toBeGreaterThan(0);
        expect(Number(out)).toBeLessThan(100);
      } finally {
        child.kill("SIGKILL");
      }
    });
  },
  { settings: brokerSettings },
);
