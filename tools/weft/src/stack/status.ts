import { probeServer, type ServerName } from "@weft/native";
import type { StackFlags } from "../cli.ts";
import { type Colour, paintFor, table, type Terminal } from "../terminal.ts";
import { readLookConfig } from "../up/config.ts";
import { serverNames } from "./names.ts";
import { livesOn, readStack, shownUrl, type StackServer } from "./stack-file.ts";

/** How a server of the stack is. */
export interface StackServerStatus {
  readonly name: ServerName;
  readonly state: "running" | "silent" | "ended";
  /** Without a password. */
  readonly url: string;
  readonly pid?: number;
  readonly logFile?: string;
}

/** Prints how each server is. The exit code is 0 when there are servers and all of them answer. */
export async function stackStatusCommand(flags: StackFlags, terminal: Terminal): Promise<number> {
  const { dataDir } = readLookConfig(flags, terminal);
  return printStatus(dataDir, flags.only ?? serverNames, flags, terminal);
}

/** For `stack up`, which ends with it. */
export async function printStatus(
  dataDir: string,
  names: readonly ServerName[],
  flags: StackFlags,
  terminal: Terminal,
): Promise<number> {
  const servers = await statusOfStack(dataDir, names);
  const code = servers.length > 0 && servers.every(({ state }) => state === "running") ? 0 : 1;
  if (flags.json === true) {
    const urls = Object.fromEntries(servers.map(({ name, url }) => [name, url]));
    terminal.stdout.write(`${JSON.stringify({ servers, urls })}\n`);
    return code;
  }
  if (servers.length === 0) {
    terminal.stdout.write(`no server was started on ${dataDir}: npx weft stack up\n`);
    return code;
  }
  const paint = paintFor(terminal.stdout, terminal.env);
  const rows = servers.map(({ name, state, pid, url, logFile }) => [
    name,
    state,
    String(pid ?? ""),
    url,
    logFile ?? "docker",
  ]);
  const [head = "", ...lines] = table([["SERVER", "STATE", "PID", "URL", "LOG"], ...rows]);
  const coloured = lines.map((line, index) => paint(colours[servers[index]?.state ?? "ended"], line));
  terminal.stdout.write(`${[paint("dim", head), ...coloured].join("\n")}\n`);
  return code;
}

const colours = { running: "green", silent: "yellow", ended: "red" } as const satisfies Record<string, Colour>;

/** Asks each of them. */
export async function statusOfStack(
  dataDir: string,
  names: readonly ServerName[] = serverNames,
): Promise<readonly StackServerStatus[]> {
  const known = readStack(dataDir).filter(({ name }) => names.includes(name));
  return Promise.all(
    known.map(async (server) => {
      const { name, url, process } = server;
      const place = process === undefined ? {} : { pid: process.pid, logFile: process.logFile };
      return { name, state: await stateOf(server), url: shownUrl(url), ...place };
    }),
  );
}

async function stateOf(server: StackServer): Promise<StackServerStatus["state"]> {
  if (server.process !== undefined && !livesOn(server)) return "ended";
  return probeServer(server.name, server.port).then(
    () => "running",
    () => "silent",
  );
}
