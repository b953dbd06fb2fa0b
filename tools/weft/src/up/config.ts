import { createServer } from "node:net";
import { checkBlockUrls } from "@weft/blocks";
import { errorCode, type Settings, WeftError } from "@weft/kit";
import { blockUrlsOf, readConfig } from "@weft/service/config";
import type { CommonFlags, UpFlags } from "../cli.ts";
import type { Terminal } from "../terminal.ts";
import type { ServiceSpec } from "./processes.ts";

/** What `up` needs to know of the mesh's configuration. */
export interface UpConfig {
  readonly dataDir: string;
  readonly profile: string;
  /** Where the gateway will listen; undefined when there is none. */
  readonly edge: { readonly host: string; readonly port: number } | undefined;
  /** The SQL server is ours to run. */
  readonly runsSql: boolean;
  /** Longest time that a process may take to stop, in milliseconds. */
  readonly stopLimitMs: number;
}

/** Time beyond a process' own limits before it is killed, in milliseconds. */
const graceMs = 5000;

/** Checks every setting of every process. `INVALID_CONFIGURATION` with all problems; a misspelt name is one, a URL that no adapter serves another. */
export function readUpConfig(services: readonly ServiceSpec[], flags: UpFlags, { env, cwd }: Terminal): UpConfig {
  const entries = services.flatMap(({ settings }) => Object.values(settings).map((one) => [one.name, one] as const));
  const settings: Settings = Object.fromEntries(entries);
  const argv = argvOf({ "--data-dir": flags.dataDir, "--port": flags.port, "--profile": flags.profile });
  const { common, all } = readConfig({ name: "weft", settings, env, argv, cwd, allowed: ["WEFT_SECRET_"] });
  checkBlockUrls(blockUrlsOf(common));
  const values: Readonly<Record<string, unknown>> = all;
  const port = values["port"];
  const host = values["gateway.host"] ?? common.host;
  return {
    dataDir: common.dataDir,
    profile: common.profile,
    edge: typeof port === "number" && typeof host === "string" ? { host, port } : undefined,
    runsSql: common.sql.reveal() === "embedded:",
    stopLimitMs: common.settleMs + common.drainTimeoutMs + common.flushTimeoutMs + common.closeTimeoutMs + graceMs,
  };
}

/** The data folder and the block URLs, for commands that look at a mesh. Names of all processes pass unchecked. */
export function readLookConfig(flags: CommonFlags, { env, cwd }: Terminal) {
  const argv = argvOf({ "--data-dir": flags.dataDir });
  return readConfig({ name: "weft", settings: {}, env, argv, cwd }).common;
}

/** `FAILED_PRECONDITION` when the gateway's port is taken: better than a gateway that starts again and again. */
export async function checkPort(config: UpConfig): Promise<void> {
  if (config.edge === undefined || config.edge.port === 0) return;
  const { host, port } = config.edge;
  const problem = await new Promise<string | undefined>((resolve) => {
    const probe = createServer();
    probe.once("error", (error) => resolve(errorCode(error) ?? error.message));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
  if (problem === undefined) return;
  const why = problem === "EADDRINUSE" ? "is in use by another process" : `can't be listened on (${problem})`;
  throw new WeftError("FAILED_PRECONDITION", `${host}:${port} ${why}; choose another port with --port or WEFT_PORT`);
}

function argvOf(flags: Readonly<Record<string, string | undefined>>): string[] {
  return Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [`${flag}=${value}`]));
}
