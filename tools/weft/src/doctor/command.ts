import type { DoctorFlags } from "../cli.ts";
import { type Colour, paintFor, type Terminal } from "../terminal.ts";
import { readUpConfig, type UpConfig } from "../up/config.ts";
import { knownServices } from "../up/processes.ts";
import { checkDataDir, checkDependencies, checkGatewayPort, checkNode } from "./basics.ts";
import { checkDocker, checkJava, checkServers } from "./servers.ts";

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  /** `missing` only for what the chosen profile needs; what else is not there is a `note`. */
  readonly state: "ok" | "missing" | "note";
  /** What was found, or what to do: for people. */
  readonly detail: string;
}

/** Says what this machine lacks and how to get it. The exit code is 1 when the chosen profile can't run. */
export async function doctorCommand(flags: DoctorFlags, terminal: Terminal): Promise<number> {
  const config = readUpConfig(await knownServices(), flags, terminal);
  const checks = await checkMachine(config, terminal);
  const code = checks.some(({ state }) => state === "missing") ? 1 : 0;
  if (flags.json === true) {
    terminal.stdout.write(`${JSON.stringify({ profile: config.profile, checks })}\n`);
    return code;
  }
  const paint = paintFor(terminal.stdout, terminal.env);
  const width = Math.max(...checks.map(({ name }) => name.length));
  for (const { name, state, detail } of checks) {
    terminal.stdout.write(`${paint(colours[state], marks[state])} ${name.padEnd(width)}  ${detail}\n`);
  }
  const verdict = code === 0 ? "can run" : "can't run yet";
  terminal.stdout.write(`\nthe mesh ${verdict} here with the profile ${config.profile}\n`);
  return code;
}

const marks = { ok: "✓", missing: "✗", note: "–" } as const;
const colours = { ok: "green", missing: "red", note: "dim" } as const satisfies Record<Check["state"], Colour>;

/** Every check, in the order in which they are told. */
export async function checkMachine(config: UpConfig, { env }: Terminal): Promise<readonly Check[]> {
  const servers = checkServers(config, env);
  const checks = [checkDependencies(), checkDataDir(config.dataDir), checkGatewayPort(config)];
  const programs = [checkJava(env), checkDocker(env)];
  return [
    checkNode(process.versions.node),
    ...(await Promise.all(checks)),
    ...(await servers),
    ...(await Promise.all(programs)),
  ];
}
