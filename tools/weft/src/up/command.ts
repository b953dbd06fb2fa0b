import { Secret, systemClock, watchSignals, WeftError } from "@weft/kit";
import { prepareDataDir } from "@weft/service/config";
import type { UpFlags } from "../cli.ts";
import { leftBehind } from "../mesh-file.ts";
import type { Terminal } from "../terminal.ts";
import { checkPort, readUpConfig } from "./config.ts";
import { lockFolder } from "./folder-lock.ts";
import { labelOf, Mesh } from "./mesh.ts";
import { knownServices, processesOf, type ServiceSpec } from "./processes.ts";
import { checkServers } from "./servers.ts";
import { Screen } from "./screen.ts";
import { type StartSql, startPostgres } from "./sql-server.ts";

/** What tests put in place of the repository's own services. */
export interface UpParts {
  readonly services?: readonly ServiceSpec[];
  readonly startSql?: StartSql;
}

/** Runs the mesh until a signal ends it. */
export async function upCommand(flags: UpFlags, terminal: Terminal, parts: UpParts = {}): Promise<number> {
  const services = parts.services ?? (await knownServices());
  const processes = processesOf(services, flags.replicas);
  const config = readUpConfig(services, flags, terminal);
  const { dataDir } = config;
  prepareDataDir(dataDir);
  // Whatever is written from here on holds personal data or secrets: it is the user's alone.
  process.umask(0o077);
  using _lock = lockFolder(dataDir);
  await endLeftBehind(dataDir, terminal);
  await checkPort(config);
  await checkServers(config.urls);
  if (!config.runsSql && processes.some(({ needsSql }) => needsSql === true)) await ensureSql(config.urls.sql);
  const names = [...processes.map((spec) => labelOf(spec, processes)), ...(config.runsSql ? ["postgres"] : [])];
  using screen = new Screen({ terminal, dataDir, json: flags.json === true, names });
  const startSql = parts.startSql ?? startPostgres;
  const { env, cwd } = terminal;
  const mesh = new Mesh({ config, processes, env, cwd, screen, startSql });

  using signals = listenForSignals();
  screen.say("info", `starting ${processes.length} processes on ${dataDir}`);
  let exitCode = 0;
  const starting = mesh.start().catch((error: unknown) => {
    exitCode = 1;
    throw error;
  });
  try {
    // Until somebody ends it; or the start fails, which is the end too.
    await Promise.race([signals.first, starting.then(() => signals.first)]);
  } catch (error) {
    screen.say("error", `the start failed: ${WeftError.from(error).message}`);
    starting.catch(() => undefined);
    const { reason, message } = WeftError.from(error);
    terminal.stderr.write(`weft: ${reason === "INTERNAL" ? String(error) : message}\n`);
  }
  screen.say("info", "stopping; once more ends everything at once");
  const stopped = Promise.allSettled([starting]).then(() => mesh.stop());
  const outcome = await Promise.race([stopped.then(() => "stopped" as const), signals.second]);
  if (outcome !== "stopped") {
    screen.say("warn", "ending everything at once");
    mesh.kill();
    await stopped;
    return 1;
  }
  screen.say("info", "stopped");
  return exitCode;
}

/** The database is made on a server that does not have it: the first start on a new one needs nothing else. */
async function ensureSql(url: Secret | string): Promise<void> {
  const { ensureDatabase } = await import("@weft/sql-postgres");
  await ensureDatabase(typeof url === "string" ? new Secret(url) : url);
}

/** How long services whose `up` was killed get to end by themselves, in milliseconds. */
const leftBehindMs = 10_000;

/** Two meshes on one folder would be two of everything; the former one's services noticed and are on their way out. */
async function endLeftBehind(dataDir: string, { stderr }: Terminal): Promise<void> {
  const killAt = systemClock.monotonic() + leftBehindMs;
  const giveUpAt = killAt + leftBehindMs;
  for (let told = false; ; told = true) {
    const pids = leftBehind(dataDir);
    const now = systemClock.monotonic();
    if (pids.length === 0 || now > giveUpAt) return;
    if (!told) stderr.write(`weft: waiting for ${pids.length} processes that an earlier mesh left behind\n`);
    if (now > killAt) for (const pid of pids) killIfThere(pid);
    await systemClock.sleep(50);
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended just now.
  }
}

interface Signals extends Disposable {
  readonly first: Promise<NodeJS.Signals>;
  readonly second: Promise<NodeJS.Signals>;
}

function listenForSignals(): Signals {
  const first = Promise.withResolvers<NodeJS.Signals>();
  const second = Promise.withResolvers<NodeJS.Signals>();
  const watch = watchSignals(["SIGINT", "SIGTERM", "SIGHUP"], (signal, count) => {
    (count === 1 ? first : second).resolve(signal);
  });
  return { first: first.promise, second: second.promise, [Symbol.dispose]: () => watch[Symbol.dispose]() };
}
