import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { type Log, silentLog } from "@weft/kit";
import {
  type NativeServer,
  readServerNames,
  type ServerName,
  serverNames,
  startServer,
  whatIsMissing,
} from "./index.ts";

/** How the server of a block of tests is started. */
export interface BackendOptions {
  /** See {@link startServer}. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: a free one. */
  readonly port?: number;
}

/** An installation may have to come first. */
const startTimeoutMs = 30 * 60_000;
const stopTimeoutMs = 60_000;

// eslint-disable-next-line no-restricted-properties -- where the tests on real servers are entered
const required = readServerNames(process.env["REQUIRE_BACKENDS"] ?? "");
/** Why a server can't be started as it is; empty for one that has to be. */
const leftOut = new Map<ServerName, string>();
for (const name of serverNames) {
  const missing = required.includes(name) ? undefined : await whatIsMissing(name);
  if (missing !== undefined) leftOut.set(name, missing.sentence);
}

/**
 * Tests on a real server, one for the block: a new one with no data, stopped and removed after it.
 *
 * A server that is not installed: when `REQUIRE_BACKENDS` (names with commas between) has it, it is installed now and
 * the tests fail where that fails; else they are skipped, and why is printed.
 */
export function describeBackend(
  name: ServerName,
  tests: (server: () => NativeServer) => void,
  options: BackendOptions = {},
): void {
  const why = leftOut.get(name);
  if (why !== undefined) console.warn(`tests on ${name} are left out: ${why}`);
  describe.skipIf(why !== undefined)(`on ${name}`, () => {
    let dir: string | undefined;
    let server: NativeServer | undefined;

    beforeAll(async () => {
      dir = await mkdtemp(join(tmpdir(), `weft-${name}-`));
      server = await startServer(name, { ...options, dir, log: printed });
    }, startTimeoutMs);
    afterAll(async () => {
      await server?.stop();
      if (dir !== undefined) await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    }, stopTimeoutMs);

    tests(() => {
      if (server === undefined) throw new Error(`${name} is started before the first test, and not earlier`);
      return server;
    });
  });
}

/** An installation takes minutes: it is told. */
const printed: Log = { ...silentLog, info: (_fields, message) => console.info(message) };
