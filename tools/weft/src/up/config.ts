import { createServer } from "node:net";
import { join } from "node:path";
import { type BlockUrls, checkBlockUrls } from "@weft/blocks";
import { type ConfigSources, environmentName, errorCode, type Secret, type Settings, WeftError } from "@weft/kit";
import { blockUrlsOf, type CommonConfig, readConfig } from "@weft/service/config";
import type { CommonFlags, UpFlags } from "../cli.ts";
import { readMeshFile } from "../mesh-file.ts";
import { readStack, stackUrls } from "../stack/stack-file.ts";
import type { Terminal } from "../terminal.ts";
import type { ServiceSpec } from "./processes.ts";

/** What `up` needs to know of the mesh's configuration. */
export interface UpConfig {
  readonly dataDir: string;
  readonly profile: string;
  readonly urls: BlockUrls;
  /** Where the gateway will listen; undefined when there is none. */
  readonly edge: { readonly host: string; readonly port: number } | undefined;
  /** Where the administrator's token is written: whoever starts a mesh here may use it, on any profile. Undefined without a service that writes it. */
  readonly adminTokenFile: string | undefined;
  /** The SQL server is ours to run. */
  readonly runsSql: boolean;
  /** Variables that tell the processes what the configuration does not say: where `weft stack up` put the servers. */
  readonly found: Readonly<Record<string, Secret>>;
  /** Longest time that a process may take to stop, in milliseconds. */
  readonly stopLimitMs: number;
}

/** Time beyond a process' own limits before it is killed, in milliseconds. */
const graceMs = 10_000;

/** Checks every setting of every process. `INVALID_CONFIGURATION` with all problems; a misspelt name is one, a URL that no adapter serves another. */
export function readUpConfig(
  services: readonly ServiceSpec[],
  flags: Pick<UpFlags, "dataDir" | "port" | "profile">,
  { env, cwd }: Terminal,
): UpConfig {
  const entries = services.flatMap(({ settings }) => Object.values(settings).map((one) => [one.name, one] as const));
  const settings: Settings = Object.fromEntries(entries);
  const argv = argvOf({ "--data-dir": flags.dataDir, "--port": flags.port, "--profile": flags.profile });
  const read = (found?: ConfigSources["found"]) =>
    readConfig({
      name: "weft",
      settings,
      env,
      argv,
      cwd,
      allowed: ["WEFT_SECRET_"],
      ...(found && { found }),
    });
  const found = foundUrls(read().common);
  const { common, all } = read(found);
  checkBlockUrls(blockUrlsOf(common));
  const values: Readonly<Record<string, unknown>> = all;
  const port = values["port"];
  const host = values["gateway.host"] ?? common.host;
  return {
    dataDir: common.dataDir,
    profile: common.profile,
    urls: blockUrlsOf(common),
    edge: typeof port === "number" && typeof host === "string" ? { host, port } : undefined,
    adminTokenFile:
      adminTokenSetting in settings ? adminTokenFile(values[adminTokenSetting], common.dataDir) : undefined,
    runsSql: common.sql.reveal() === "embedded:",
    found: variablesOf(found?.values ?? {}, common),
    stopLimitMs: common.settleMs + common.drainTimeoutMs + common.flushTimeoutMs + common.closeTimeoutMs + graceMs,
  };
}

const adminTokenSetting = "user.adminTokenFile";

function adminTokenFile(said: unknown, dataDir: string): string {
  return typeof said === "string" ? said : join(dataDir, "admin-token");
}

/**
 * The data folder and the block URLs, for commands that look at a mesh: those of the profile that runs there, unless
 * somebody says otherwise. Names of all processes pass unchecked.
 */
export function readLookConfig(flags: CommonFlags, { env, cwd }: Terminal): CommonConfig {
  const argv = argvOf({ "--data-dir": flags.dataDir });
  const read = (found?: ConfigSources["found"]) =>
    readConfig({ name: "weft", settings: {}, env, argv, cwd, ...(found && { found }) }).common;
  const mesh = readMeshFile(read().dataDir);
  const profile = mesh === undefined ? {} : { profile: mesh.profile };
  const running = read({ where: "mesh.json", values: profile });
  const { where = "mesh.json", values = {} } = foundUrls(running) ?? {};
  return read({ where, values: { ...profile, ...values } });
}

/** Where `weft stack up` put the servers of the data folder. */
function foundUrls({ profile, dataDir }: CommonConfig): ConfigSources["found"] {
  return profile === "stack" ? { where: "stack.json", values: stackUrls(readStack(dataDir)) } : undefined;
}

/** Only of what nobody says: what somebody does reaches the processes as it reached us. */
function variablesOf(found: Readonly<Record<string, string>>, common: CommonConfig): Readonly<Record<string, Secret>> {
  const urls = Object.entries(blockUrlsOf(common)) as [keyof BlockUrls, Secret][]; // All of them are settings.
  const unsaid = urls.filter(([block, url]) => found[block] === url.reveal());
  return Object.fromEntries(unsaid.map(([block, url]) => [environmentName(block), url]));
}

/** `FAILED_PRECONDITION` when the gateway's port is taken: better than a gateway that starts again and again. */
export async function checkPort(config: Pick<UpConfig, "edge">): Promise<void> {
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
