import { spawn } from "node:child_process";
import { once } from "node:events";

/** A process that a test started. Disposing kills it too. */
export interface TestProcess extends AsyncDisposable {
  readonly pid: number;
  /** Ends it with SIGKILL, which it can't notice. Resolves when it is gone. */
  kill(): Promise<void>;
  /** Any other signal: SIGSTOP, SIGCONT. */
  signal(name: NodeJS.Signals): void;
}

/** Starts Node with the text of a module. Resolves when the module has run to its end; the process then stays. */
export async function startProcess(module: string): Promise<TestProcess> {
  const text = `${module}\nprocess.stdout.write("ready\\n");\nsetInterval(() => {}, 60_000);`;
  const child = spawn(process.execPath, ["--input-type=module-typescript", "-e", text], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(child, "exit");
  const first = await Promise.race([once(child.stdout, "data").then(() => "ready" as const), exited]);
  if (first !== "ready" || child.pid === undefined) throw new Error("the process ended before it was ready");
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exited;
  };
  return { pid: child.pid, kill, signal: (name) => child.kill(name), [Symbol.asyncDispose]: kill };
}
