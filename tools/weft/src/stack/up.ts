import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Log, silentLog, WeftError } from "@weft/kit";
import {
  install,
  isTaken,
  type NativeServer,
  probeServer,
  type ServerName,
  startServer,
  usualPort,
} from "@weft/native";
import { prepareDataDir } from "@weft/service/config";
import type { StackFlags } from "../cli.ts";
import { paintFor, type Terminal } from "../terminal.ts";
import { readLookConfig } from "../up/config.ts";
import { lockFolder, startTimeOf } from "../up/folder-lock.ts";
import { dockerUp } from "./docker.ts";
import { stopStackServer } from "./down.ts";
import { serverNames } from "./names.ts";
import { livesOn, readStack, shownUrl, stackFolder, type StackServer, writeStack } from "./stack-file.ts";
import { printStatus } from "./status.ts";

/** Says how a server is getting on; `facts` after it in grey. */
export type Say = (name: string, what: string, facts?: string) => void;

/** Brings the servers up and leaves them running. The exit code is 1 when one of them does not come up. */
export async function stackUpCommand(flags: StackFlags, terminal: Terminal): Promise<number> {
  const { dataDir } = readLookConfig(flags, terminal);
  prepareDataDir(dataDir);
  const folder = stackFolder(dataDir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  using _lock = lockFolder(folder, (pid) => `another \`weft stack\` is at work on ${folder} (process ${pid})`);
  const say = sayTo(flags, terminal);
  const names = flags.only ?? serverNames;
  const problems: string[] = [];
  if (flags.docker === true) {
    const others = readStack(dataDir).filter(({ name }) => !names.includes(name));
    refuseBoth(dataDir, names);
    writeStack(dataDir, [...others, ...(await dockerUp(names, terminal))].toSorted(byName));
  } else {
    const stack = new Stack(dataDir, { say, env: terminal.env, useDefaultPorts: flags.defaultPorts === true });
    problems.push(...(await stack.up(names)));
  }
  for (const problem of problems) terminal.stderr.write(`weft: ${problem}\n`);
  const code = await printStatus(dataDir, names, flags, terminal);
  return problems.length > 0 ? 1 : code;
}

/** A server is in a container or not: of two, one would be forgotten. */
function refuseBoth(dataDir: string, names: readonly ServerName[]): void {
  const running = readStack(dataDir).filter((server) => names.includes(server.name) && livesOn(server));
  if (running.length === 0) return;
  const message = `without containers run already: ${running.map(({ name }) => name).join(", ")}; stop them with \`npx weft stack down\``;
  throw new WeftError("FAILED_PRECONDITION", message);
}

function byName(one: StackServer, other: StackServer): number {
  return one.name.localeCompare(other.name);
}

/** Lines for people; machine output has standard output to itself. */
function sayTo(flags: StackFlags, terminal: Terminal): Say {
  const output = flags.json === true ? terminal.stderr : terminal.stdout;
  const paint = paintFor(output, terminal.env);
  return (name, what, facts = "") => {
    output.write(`${paint("bold", name.padEnd(14))} ${what}${facts === "" ? "" : ` ${paint("dim", facts)}`}\n`);
  };
}

interface Options {
  readonly say: Say;
  readonly env: Terminal["env"];
  readonly useDefaultPorts: boolean;
}

/** The servers of one data folder. */
class Stack {
  readonly #dataDir: string;
  readonly #options: Options;

  constructor(dataDir: string, options: Options) {
    this.#dataDir = dataDir;
    this.#options = options;
  }

  /** What went wrong, a text for each server that does not run. */
  async up(names: readonly ServerName[]): Promise<readonly string[]> {
    const problems: string[] = [];
    const toStart: ServerName[] = [];
    for (const name of names) {
      try {
        if (await this.#runs(name)) continue;
        // One after the other: they come through the same tools, which would wait for each other anyway.
        await install(name, { env: this.#options.env, log: this.#logOf(name) });
        toStart.push(name);
      } catch (error) {
        problems.push(this.#failed(name, error));
      }
    }
    await Promise.all(
      toStart.map((name) => this.#start(name).catch((error: unknown) => problems.push(this.#failed(name, error)))),
    );
    return problems;
  }

  /** In a container or not. One of ours that lives and does not answer is stopped. */
  async #runs(name: ServerName): Promise<boolean> {
    const { say } = this.#options;
    const known = readStack(this.#dataDir).find((server) => server.name === name);
    if (known === undefined || (known.process !== undefined && !livesOn(known))) return false;
    try {
      await probeServer(name, known.port);
      say(name, "runs already", shownUrl(known.url));
      return true;
    } catch {
      if (known.process !== undefined) say(name, "does not answer; it is stopped first");
      await stopStackServer(known);
      return false;
    }
  }

  async #start(name: ServerName): Promise<void> {
    const { say, env, useDefaultPorts } = this.#options;
    const from = performance.now();
    const port = usualPort(name);
    if (useDefaultPorts && (await isTaken(port))) {
      throw new WeftError("FAILED_PRECONDITION", `port ${port} is in use by another process`);
    }
    say(name, "starting …");
    const server = await startServer(name, {
      dir: join(stackFolder(this.#dataDir), name),
      detached: true,
      env,
      log: this.#logOf(name),
      // Written down at once: whatever becomes of this command, `stack down` knows what to stop.
      onProcess: (process) => this.#put(process),
      ...(useDefaultPorts && { port }),
    });
    this.#put(server);
    say(name, "runs", `${shownUrl(server.url)} after ${((performance.now() - from) / 1000).toFixed(1)} s`);
  }

  #put({ name, url, port, pid, logFile }: NativeServer): void {
    const others = readStack(this.#dataDir).filter((server) => server.name !== name);
    const entry: StackServer = { name, url, port, process: { pid, startTime: startTimeOf(pid) ?? "", logFile } };
    writeStack(this.#dataDir, [...others, entry].toSorted(byName));
  }

  #failed(name: ServerName, error: unknown): string {
    this.#options.say(name, "does not run");
    const { reason, message } = WeftError.from(error);
    return `${name}: ${reason === "INTERNAL" ? String(error) : message}`;
  }

  #logOf(name: ServerName): Log {
    return { ...silentLog, info: (_fields, message) => this.#options.say(name, message) };
  }
}
