import { execFile } from "node:child_process";

export interface RunOptions {
  readonly cwd?: string;
  /** Beside this process' own variables. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default a minute. */
  readonly timeoutMs?: number;
}

/** What a program prints on standard output; fails with the end of all that it said when it does. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  const { cwd, env = {}, timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { cwd, env: { ...process.env, ...env }, timeout: timeoutMs, killSignal: "SIGKILL", maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout);
        const end = `${stdout}\n${stderr}`.trim().split("\n").slice(-40).join("\n");
        const how = error.killed === true ? `did not end within ${timeoutMs} ms` : `failed`;
        reject(new Error(`${[program, ...args].join(" ")} ${how}:\n${end}`, { cause: error }));
      },
    );
  });
}
