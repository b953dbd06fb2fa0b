import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Clock } from "@weft/kit";
import type { ReadyMessage } from "@weft/service";
import type { ProcessSpec } from "./processes.ts";
import { restartDelayMs } from "./restart-delay.ts";

/** How a supervised process is. */
export type ChildState =
  | { readonly kind: "waiting" }
  | { readonly kind: "starting"; readonly pid: number }
  | { readonly kind: "ready"; readonly pid: number; readonly ready: ReadyMessage }
  | { readonly kind: "restarting"; readonly delayMs: number }
  | { readonly kind: "stopped" };

export interface ChildOptions {
  readonly spec: ProcessSpec;
  /** All of the environment of the process; asked at every start. */
  readonly env: () => Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly onState: (state: ChildState) => void;
  /** It ended though nobody asked it to, and will be started again after `delayMs`. */
  readonly onCrash: (how: string, delayMs: number) => void;
  readonly onLine: (line: string) => void;
}

/** After so long a life, in milliseconds, a crash counts as the first again. */
const goodAfterMs = 30_000;
/** How long the output of an ended process is awaited, in milliseconds: processes of its own may hold it open. */
const outputMs = 2000;

/** A process that is started again, later each time, until it is told to stop. */
export class Child {
  readonly spec: ProcessSpec;
  readonly #options: ChildOptions;
  readonly #stopping = new AbortController();
  #state: ChildState = { kind: "waiting" };
  #process: ChildProcess | undefined;
  #crashes = 0;
  #life: Promise<void> | undefined;
  /** A restart was asked for: the next end is no crash. */
  #replacing = false;

  constructor(options: ChildOptions) {
    this.#options = options;
    this.spec = options.spec;
  }

  get state(): ChildState {
    return this.#state;
  }

  start(): void {
    if (!this.#stopping.signal.aborted) this.#life ??= this.#live();
  }

  /** From now on it is not started again. */
  retire(): void {
    this.#stopping.abort();
  }

  /** Asks it to end, and resolves when it has; killed after `limitMs`. */
  async stop(limitMs: number): Promise<void> {
    this.retire();
    this.#process?.kill("SIGTERM");
    const kill = setTimeout(() => this.kill(), limitMs);
    await this.#life;
    clearTimeout(kill);
    this.#to({ kind: "stopped" });
  }

  /** Ends it now; after `stop` it stays ended. */
  kill(): void {
    this.#process?.kill("SIGKILL");
  }

  /** Ends it in its own time and starts it again, for a new environment. One that waits for a restart gets it anyway. */
  replace(): void {
    if (this.#process === undefined) return;
    this.#replacing = true;
    this.#process.kill("SIGTERM");
  }

  async #live(): Promise<void> {
    const { clock, onCrash } = this.#options;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const from = clock.monotonic();
      const how = await this.#runOnce();
      if (signal.aborted) return;
      if (this.#replacing) {
        this.#replacing = false;
        continue;
      }
      if (clock.monotonic() - from >= goodAfterMs) this.#crashes = 0;
      const delayMs = restartDelayMs(this.#crashes);
      this.#crashes += 1;
      this.#to({ kind: "restarting", delayMs });
      onCrash(how, delayMs);
      await clock.sleep(delayMs, signal).catch(() => undefined);
    }
  }

  /** From its start to its end; how it ended. */
  async #runOnce(): Promise<string> {
    const child = this.#spawn();
    if (child instanceof Error) return `could not be started: ${child.message}`;
    this.#process = child;
    if (child.pid !== undefined) this.#to({ kind: "starting", pid: child.pid });
    child.on("message", (message: unknown) => {
      if (child.pid !== undefined && isReady(message)) this.#to({ kind: "ready", pid: child.pid, ready: message });
    });
    const lines = [child.stdout, child.stderr].map(async (stream) => {
      if (stream === null) return;
      for await (const line of createInterface({ input: stream })) this.#options.onLine(line);
    });
    const read = Promise.all(lines).catch(() => undefined);
    const how = await new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(`could not be started: ${error.message}`));
      child.once("exit", (code, signal) => resolve(signal === null ? `ended with code ${code}` : `ended by ${signal}`));
    });
    this.#process = undefined;
    const limit = new AbortController();
    await Promise.race([read, this.#options.clock.sleep(outputMs, limit.signal).catch(() => undefined)]);
    limit.abort();
    for (const stream of [child.stdout, child.stderr]) stream?.destroy();
    return how;
  }

  #spawn(): ChildProcess | Error {
    const { spec, cwd, env } = this.#options;
    try {
      return spawn(process.execPath, [spec.entry], {
        cwd,
        env: env(),
        stdio: ["ignore", "pipe", "pipe", "ipc"],
        // A Ctrl-C at the terminal is for us: we stop the processes in their order.
        detached: true,
      });
    } catch (error) {
      // What the system refuses at once, out of memory for one; the rest comes as an event.
      return error instanceof Error ? error : new Error(String(error));
    }
  }

  #to(state: ChildState): void {
    this.#state = state;
    this.#options.onState(state);
  }
}

function isReady(message: unknown): message is ReadyMessage {
  return typeof message === "object" && message !== null && "type" in message && message.type === "ready";
}
