import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { delimiter, join, resolve } from "node:path";

/** The part of a machine that installing and finding servers depends on. */
export interface Machine {
  /** Of the system, not of Weft: `PATH`, `JAVA_HOME`, `XDG_CACHE_HOME`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where installed servers are kept, a folder each. */
  readonly cacheDir: string;
}

/** What {@link machineOf} may be told. */
export interface MachineOptions {
  /** Default `$XDG_CACHE_HOME/weft/servers`, or `~/.cache/weft/servers`. */
  readonly cacheDir?: string;
  /** Default this process' environment. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/** This machine. */
export function machineOf(options: MachineOptions = {}): Machine {
  // eslint-disable-next-line no-restricted-properties -- these are the system's, not settings of Weft
  const env = options.env ?? process.env;
  const cache = env["XDG_CACHE_HOME"] || join(homedir(), ".cache");
  return { env, cacheDir: resolve(options.cacheDir ?? join(cache, "weft", "servers")) };
}

/** Path of the program that a shell would run for `name`; undefined when there is none. */
export async function findOnPath(name: string, { env }: Pick<Machine, "env">): Promise<string | undefined> {
  const folders = (env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== "");
  for (const folder of [...folders, "/usr/local/sbin", "/usr/sbin", "/sbin"]) {
    const path = await executable(join(folder, name));
    if (path !== undefined) return path;
  }
  return undefined;
}

/** The path itself when it may be run: some programs are several, and look by which name they were called. */
export async function executable(path: string): Promise<string | undefined> {
  return access(path, constants.X_OK).then(
    () => path,
    () => undefined,
  );
}

/** Whether there is anything at a path. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
