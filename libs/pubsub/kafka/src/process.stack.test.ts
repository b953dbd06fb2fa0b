import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { Secret } from "@weft/kit";
import { describeBackend } from "@weft/native/testing";
import { killedProcessesLoseNothing } from "@weft/pubsub/conformance";
import { expect, test } from "vitest";
import { brokerSettings, freshUrl } from "./fixture.ts";
import { openKafkaPubSub } from "./index.ts";

/** A module's text that opens `pubsub`. */
const setup = (url: string): string => `
  const { Secret } = await import(${JSON.stringify(join(import.meta.dirname, "../../../kit/src/index.ts"))});
  const { openKafkaPubSub } = await import(${JSON.stringify(join(import.meta.dirname, "index.ts"))});
  const pubsub = await openKafkaPubSub({ url: new Secret(${JSON.stringify(url)}) });
`;

/** Does a bit of everything, and has nothing left to do. */
const visitor = `
  const got = Promise.withResolvers();
  await pubsub.subscribe({ group: "g", topics: ["t"], sessionTimeoutMs: 1000, handle: async () => got.resolve() });
  await pubsub.publish("t", [{ key: "k1", event: {
    id: "1", source: "/s", type: "T", time: 1, dataContentType: "text/plain", data: new Uint8Array(8), extensions: {},
  } }]);
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

describeBackend(
  "kafka",
  (server) => {
    test("processes killed at any point lose nothing that was acknowledged, and others take over", async () => {
      const url = freshUrl(server().url);
      await killedProcessesLoseNothing({
        setup: setup(url),
        open: () => openKafkaPubSub({ url: new Secret(url) }),
      });
    });

    test("a process that is done ends by itself, having warned of nothing and rested when there was nothing to do", async () => {
      const module = setup(freshUrl(server().url)) + visitor;
      const child = spawn(process.execPath, ["--input-type=module", "-e", module], {
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
