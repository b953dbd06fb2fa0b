import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { withTimeout } from "@weft/kit";
import type { ReadyMessage } from "@weft/service";

const apps = join(import.meta.dirname, "../../../apps");
/** Ten of them start at the same time, on a machine that may have other work. */
const startTimeoutMs = 120_000;
/** Longer than the phases of a stop may take that has nothing to wait for. */
const stopTimeoutMs = 60_000;

export interface ReplicaOptions {
  readonly service: string;
  /** From 1. */
  readonly number: number;
  readonly env: Readonly<Record<string, string>>;
  /** Where what it says goes. */
  readonly logDir: string;
}

/** One process of a service, started and ended as a test says. Disposing ends it at once. */
export class Replica implements AsyncDisposable {
  readonly service: string;
  /** `user-2` */
  readonly name: string;
  readonly #options: ReplicaOptions;
  #child: ChildProcess | undefined;
  #ready: ReadyMessage | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.service = options.service;
    this.name = `${options.service}-${options.number}`;
  }

  /** What it said of itself. Only while it runs. */
  get ready(): ReadyMessage {
    if (this.#ready === undefined) throw new Error(`${this.name} does not run`);
    return this.#ready;
  }

  /** Starts a new instance; resolves when it serves. `env` is for this one alone. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { service, logDir } = this.#options;
    const log = openSync(join(logDir, `${this.name}.log`), "a", 0o600);
    const child = spawn(process.execPath, [join(apps, service, "src/main.ts")], {
      env: { ...this.#options.env, ...env },
      stdio: ["ignore", log, log, "ipc"],
      // A Ctrl-C at the terminal is for the harness.
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    const ended = once(child, "exit").then((): never => {
      throw new Error(`${this.name} ended before it was ready: see its log in ${logDir}`);
    });
    const limit = { timeoutMs: startTimeoutMs, what: `the start of ${this.name}` };
    const [ready] = await withTimeout(() => Promise.race([once(child, "message"), ended]), limit);
    this.#ready = ready as ReadyMessage; // The one thing that a service tells its supervisor.
    ended.catch(() => undefined);
  }

  /** Whether it is there. */
  get runs(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Ends it with SIGKILL; resolves when it is gone. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** Asks it to end; resolves when it has. Throws when it ends in another way than it should. */
  async stop(): Promise<void> {
    await this.#end("SIGTERM");
    if (this.#child?.exitCode !== 0) throw new Error(`${this.name} ended with ${this.#child?.exitCode}`);
  }

  signal(name: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#ready = undefined;
    if (child === undefined || !this.runs) return;
    const gone = once(child, "exit");
    child.kill(signal);
    const late = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
    await gone;
    clearTimeout(late);
  }
}
