import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BlockUrls } from "@weft/blocks";
import type { ServerName } from "@weft/native";
import { isAlive } from "../up/folder-lock.ts";

/** A server of the stack, as `stack up` writes it down in `stack.json` (mode 0600: a URL may hold a password). */
export interface StackServer {
  readonly name: ServerName;
  readonly url: string;
  readonly port: number;
  /** Undefined for one in a container. */
  readonly process?: StackProcess;
}

/** A process of ours. */
export interface StackProcess {
  readonly pid: number;
  /** In the words of the system: the id alone may be another process' by now. */
  readonly startTime: string;
  readonly logFile: string;
}

/** Folder of the servers, in the data folder. */
export function stackFolder(dataDir: string): string {
  return join(dataDir, "stack");
}

/** Those that were started and not stopped, whether they live or not. */
export function readStack(dataDir: string): readonly StackServer[] {
  try {
    // Written by `writeStack` and nobody else.
    return (JSON.parse(readFileSync(pathOf(dataDir), "utf8")) as { servers: readonly StackServer[] }).servers;
  } catch {
    return [];
  }
}

/** Readers see the file before or after, never half of it. No servers: no file. */
export function writeStack(dataDir: string, servers: readonly StackServer[]): void {
  const path = pathOf(dataDir);
  if (servers.length === 0) return rmSync(path, { force: true });
  mkdirSync(stackFolder(dataDir), { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, `${JSON.stringify({ servers }, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** Whether its process lives, and is the one that was started. */
export function livesOn({ process: own }: StackServer): boolean {
  return own !== undefined && isAlive(own);
}

/** What each block uses of the stack. */
const serverOf = {
  discovery: "consul",
  pubsub: "kafka",
  state: "redis",
  lock: "redis",
  search: "elasticsearch",
  sql: "postgres",
  configuration: "consul",
} as const satisfies Partial<Record<keyof BlockUrls, ServerName>>;

/** The URLs of the blocks whose server was started. */
export function stackUrls(servers: readonly StackServer[]): Readonly<Partial<Record<keyof BlockUrls, string>>> {
  const entries = Object.entries(serverOf).flatMap(([block, name]) => {
    const url = servers.find((server) => server.name === name)?.url;
    return url === undefined ? [] : [[block, url] as const];
  });
  return Object.fromEntries(entries);
}

/** A URL for people: what stands before the host is left out. */
export function shownUrl(url: string): string {
  return url.replace(/:[^/:@]*@/, ":***@");
}

function pathOf(dataDir: string): string {
  return join(stackFolder(dataDir), "stack.json");
}
