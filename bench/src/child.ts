import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";

/** A helper process that told us over IPC where it listens. */
export interface Child extends AsyncDisposable {
  readonly address: string;
  readonly pid: number;
  send(message: object): void;
  /** CPU time used so far, user and system, in milliseconds. */
  cpuMs(): number;
}

/** Starts a script and waits, at most 20 s, for a message with its address. */
export async function startChild(
  script: string,
  options: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly addressOf: (message: unknown) => string | undefined;
    /** Gets every message, the first one too. */
    readonly onMessage?: (message: unknown) => void;
  },
): Promise<Child> {
  const child = spawn(process.execPath, [script, ...(options.args ?? [])], {
    stdio: ["ignore", "ignore", "inherit", "ipc"],
    env: { ...process.env, NODE_ENV: "production", ...options.env },
  });
  if (options.onMessage !== undefined) child.on("message", options.onMessage);
  const timeout = AbortSignal.timeout(20_000);
  for (;;) {
    const [message] = (await Promise.race([
      once(child, "message", { signal: timeout }),
      once(child, "exit", { signal: timeout }).then(() => {
        throw new Error(`${script} ended with ${child.exitCode}`);
      }),
    ])) as unknown[];
    const address = options.addressOf(message);
    if (address === undefined) continue;
    const pid = child.pid ?? 0;
    const send = (request: object): void => void child.send(request);
    return { address, pid, send, cpuMs: () => cpuMs(pid), [Symbol.asyncDispose]: () => end(child) };
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await exit;
  clearTimeout(timer);
}

/** User and system time of a process, in milliseconds; the kernel tells it in ticks of 10 ms. Linux only, see `main.ts`. */
export function cpuMs(pid: number): number {
  // The name may hold anything, so fields count from behind its last parenthesis.
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
