import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { AuthService } from "@weft/contracts/user";
import { systemClock, withTimeout } from "@weft/kit";
import { createClient, openTransport } from "@weft/rpc";
import { afterAll, afterEach, beforeEach, vi } from "vitest";
import type { ReadyMessage } from "../process-events.ts";

/** The script of the service for tests of the host. */
export const fixture = join(import.meta.dirname, "fixture/main.ts");

/** How long a test waits for a process, in milliseconds. */
export const limitMs = 50_000;

/** Many processes are started: each compiles what it loads, unless another one did. */
const compileCache = join(import.meta.dirname, "../../../../.cache/compile");

/** Processes of one test, in a folder of their own. All of them are gone after it. */
export class Processes {
  dataDir = "";
  readonly #started = new Set<ChildProcess>();

  /** Starts the fixture. */
  start(env: Record<string, string> = {}, argv: string[] = []): Process {
    const process = new Process(this.dataDir, env, argv);
    this.add(process.child);
    return process;
  }

  /** One that somebody else started. */
  add(child: ChildProcess): void {
    this.#started.add(child);
  }

  open(): void {
    this.dataDir = mkdtempSync(join(tmpdir(), "weft-service-"));
  }

  async close(): Promise<void> {
    for (const child of this.#started) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
    }
    this.#started.clear();
    rmSync(this.dataDir, { recursive: true });
  }
}

/** For the tests of a file: each has as long as its processes need on a machine that is busy. */
export function useProcesses(): Processes {
  vi.setConfig({ testTimeout: limitMs + 10_000 });
  const processes = new Processes();
  beforeEach(() => processes.open());
  afterEach(() => processes.close());
  // Files share a worker.
  afterAll(() => vi.resetConfig());
  return processes;
}

/** A child process running the fixture, what it wrote, and how it ended. */
export class Process {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  readonly ready: Promise<ReadyMessage>;
  #stdout = "";
  stderr = "";

  constructor(dataDir: string, env: Record<string, string>, argv: string[]) {
    const child = spawn(process.execPath, [fixture, ...argv], {
      cwd: dataDir,
      env: {
        PATH: dirname(process.execPath),
        NODE_COMPILE_CACHE: compileCache,
        WEFT_DATA_DIR: join(dataDir, "data"),
        WEFT_SETTLE_MS: "200",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe", "ipc"],
    });
    this.child = child;
    child.stdout?.on("data", (chunk: Buffer) => (this.#stdout += chunk.toString()));
    child.stderr?.on("data", (chunk: Buffer) => (this.stderr += chunk.toString()));
    this.exit = withTimeout(() => ended(child), { timeoutMs: limitMs, what: "the process" });
    this.ready = withTimeout(async () => ((await once(child, "message")) as [ReadyMessage])[0], {
      timeoutMs: limitMs,
      what: "the start",
    });
    this.exit.catch(() => undefined);
    this.ready.catch(() => undefined);
  }

  /** Messages of the log, in order. */
  get messages(): string[] {
    return this.lines.map(({ msg }) => String(msg));
  }

  get lines(): Record<string, unknown>[] {
    const complete = this.#stdout.slice(0, this.#stdout.lastIndexOf("\n") + 1);
    return complete
      .split("\n")
      .filter(Boolean)
      .map((line): Record<string, unknown> => JSON.parse(line));
  }

  async says(message: string): Promise<void> {
    const until = Date.now() + limitMs;
    while (!this.messages.includes(message)) {
      if (Date.now() > until) throw new Error(`it never said '${message}':\n${this.#stdout}${this.stderr}`);
      await systemClock.sleep(10);
    }
  }
}

/** Not by `close`: it never comes once the channel to the child was closed from this side. */
async function ended(child: ChildProcess): Promise<number | null> {
  const streams = [child.stdout, child.stderr].flatMap((stream) => (stream === null ? [] : [once(stream, "close")]));
  const [code] = (await once(child, "exit")) as [number | null];
  await Promise.all(streams);
  return code;
}

/** A client of a fixture. */
export function callTo(address: string) {
  const transport = openTransport({ address });
  const client = createClient(AuthService, transport);
  const login = (ms: number) => client.login({ email: "ada@example.org", password: String(ms) });
  const logout = (ms: number) => client.logout({ refreshToken: String(ms) });
  return { login, logout, [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() };
}
