import { mkdir, open, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Log, WeftError } from "@weft/kit";
import { type Child, endsWithin, launch } from "./child.ts";
import { install } from "./install.ts";
import type { MachineOptions } from "./machine.ts";
import { freePorts, isTaken } from "./ports.ts";
import type { Installed, Recipe, ServerName } from "./recipe.ts";
import { recipes } from "./recipes.ts";
import { lastLines } from "./run.ts";

/** How {@link startServer} is told what is wanted. */
export interface StartOptions extends MachineOptions {
  /** The server's own folder: its data, settings and log. Made when it is not there; what is in it is used again. */
  readonly dir: string;
  /** Of 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /**
   * The server's own settings beside those of the recipe: lines of redis.conf, server.properties, elasticsearch.yml or
   * postgresql.conf; for Consul HCL, so that a text is `'"text"'` and a block `"{ enabled = true }"`.
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Default: silent. */
  readonly log?: Log;
  /** Whether it lives on when this process ends. Default false: then it is stopped, on Linux even after a kill. */
  readonly detached?: boolean;
  /** Told of the process as soon as there is one, well before it answers. */
  readonly onProcess?: (server: NativeServer) => void;
  /** Until it answers; in milliseconds. Default 120,000. */
  readonly startTimeoutMs?: number;
}

/** A real server on 127.0.0.1. Disposing stops it. */
export interface NativeServer extends AsyncDisposable {
  readonly name: ServerName;
  readonly port: number;
  /** As a block takes it: `redis://127.0.0.1:1234`. */
  readonly url: string;
  /** Of the server that runs, or ran last. */
  readonly pid: number;
  /** What it said, of every start. */
  readonly logFile: string;
  /** Ends it with SIGKILL, which it can't notice. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Again, after `kill` or `stop`: same port, same data. Resolves when it answers. */
  start(): Promise<void>;
  /** Ends it in order, or by force when that takes longer than 30 s. Resolves when it is gone. */
  stop(): Promise<void>;
  /** Any other signal: SIGSTOP, SIGCONT. */
  signal(name: NodeJS.Signals): void;
}

const lookMs = 50;
const probeTimeoutMs = 2000;
const stopTimeoutMs = 30_000;
/** A port may be taken between choosing it and listening on it. */
const maxPortTries = 3;

/**
 * Starts a server, and installs it first when it is not there. Resolves when it answers.
 *
 * `FAILED_PRECONDITION` when it can't be installed here, with what is missing and how to get it; `UNAVAILABLE` when it
 * does not come up, with the last lines of its log.
 */
export async function startServer(name: ServerName, options: StartOptions): Promise<NativeServer> {
  const recipe = recipes[name];
  const installed = await install(name, options);
  const dir = resolve(options.dir);
  await mkdir(dir, { recursive: true });
  for (let tries = 1; ; tries += 1) {
    const ports = await choosePorts(recipe, dir, options.port);
    const server = new Server(recipe, installed, { ...options, ...ports, dir });
    try {
      await server.start();
      return server;
    } catch (error) {
      if (options.port !== undefined || tries === maxPortTries || !(await isTaken(server.port))) throw error;
    }
  }
}

interface Ports {
  readonly port: number;
  readonly innerPorts: readonly number[];
}

/** Those of the last start in the folder where they are free, so that its URL stays the same. */
async function choosePorts(recipe: Recipe, dir: string, wanted: number | undefined): Promise<Ports> {
  const file = join(dir, "ports");
  const text = await readFile(file, "utf8").catch(() => "");
  const last = /^[\d ]+$/.test(text) ? text.split(" ").map(Number) : [];
  const taken = await Promise.all(last.map(isTaken));
  const isAsBefore = last.length === 1 + recipe.innerPorts && !taken.includes(true);
  const [port = 0, ...innerPorts] = isAsBefore ? last : await freePorts(1 + recipe.innerPorts);
  const ports = { port: wanted ?? port, innerPorts };
  await writeFile(file, [ports.port, ...innerPorts].join(" "));
  return ports;
}

/** Where a server usually listens. */
export function usualPort(name: ServerName): number {
  return recipes[name].usualPort;
}

/** The signal that makes a server end in order. */
export function stopSignal(name: ServerName): NodeJS.Signals {
  return recipes[name].stopSignal;
}

/** Resolves when the server on a port of 127.0.0.1 answers; `UNAVAILABLE` when it does not within 2 s. */
export async function probeServer(name: ServerName, port: number): Promise<void> {
  try {
    await recipes[name].probe(port, AbortSignal.timeout(probeTimeoutMs));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "no answer";
    throw new WeftError("UNAVAILABLE", `${name} does not answer on port ${port}: ${why}`, { cause });
  }
}

type ServerOptions = StartOptions & Ports;

class Server implements NativeServer {
  readonly name: ServerName;
  readonly port: number;
  readonly url: string;
  readonly logFile: string;
  pid = 0;
  readonly #recipe: Recipe;
  readonly #installed: Installed;
  readonly #options: ServerOptions;
  #child: Child | undefined;

  constructor(recipe: Recipe, installed: Installed, options: ServerOptions) {
    this.name = recipe.name;
    this.port = options.port;
    this.url = recipe.url(options.port);
    this.logFile = join(options.dir, `${recipe.name}.log`);
    this.#recipe = recipe;
    this.#installed = installed;
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#child?.hasEnded() === false) return;
    const { dir, port, innerPorts, settings = {}, detached = false, startTimeoutMs = 120_000 } = this.#options;
    // Else its answers would be taken for ours.
    if (await isTaken(port)) throw new WeftError("UNAVAILABLE", `${this.name}: port ${port} is in use`);
    const place = { dir, port, innerPorts, settings, tied: !detached };
    const child = launch(await this.#installed.prepare(place), this.logFile);
    this.#child = child;
    try {
      this.pid = child.pid();
      this.#options.onProcess?.(this);
      await this.#answers(child, startTimeoutMs);
      this.pid = child.pid();
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  async stop(): Promise<void> {
    await this.#end(this.#recipe.stopSignal);
  }

  signal(name: NodeJS.Signals): void {
    if (this.#child?.hasEnded() === false) this.#child.signal(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    for (const step of [signal, "SIGKILL"] as const) {
      if (child.hasEnded()) return;
      child.signal(step);
      // A stopped one hears nothing else.
      if (step !== "SIGKILL") child.signal("SIGCONT");
      if (await endsWithin(child, stopTimeoutMs)) return;
    }
    throw new WeftError("UNAVAILABLE", `${this.name} (process ${this.pid}) can't be ended`);
  }

  async #answers(child: Child, timeoutMs: number): Promise<void> {
    const until = performance.now() + timeoutMs;
    let last: unknown;
    while (performance.now() < until) {
      if (child.hasEnded()) throw await this.#failure("ended at once");
      try {
        await this.#recipe.probe(this.port, AbortSignal.timeout(probeTimeoutMs));
        return;
      } catch (error) {
        last = error;
      }
      await sleep(lookMs);
    }
    throw await this.#failure(`did not answer within ${timeoutMs / 1000} s`, last);
  }

  async #failure(what: string, cause?: unknown): Promise<WeftError> {
    const said = lastLines(await tail(this.logFile), 15);
    return new WeftError("UNAVAILABLE", `${this.name} ${what}; the end of ${this.logFile}:\n${said}`, { cause });
  }
}

const tailBytes = 8192;

async function tail(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - tailBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, start);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
}
