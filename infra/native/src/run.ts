import { spawn } from "node:child_process";
import { WeftError } from "@weft/kit";

/** How to run a program to its end. */
export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly uid?: number;
  readonly gid?: number;
  readonly input?: string;
  /** Then it is killed, with all that it started. */
  readonly timeoutMs: number;
  /** For messages. */
  readonly what: string;
}

const keptChars = 100_000;

/** Runs a program and answers what it wrote. `UNAVAILABLE` with its last lines when it fails or takes too long. */
export async function run(file: string, args: readonly string[], options: RunOptions): Promise<string> {
  const { what, timeoutMs, input, ...rest } = options;
  const { cwd = "/", uid, gid, env = {} } = rest;
  const child = spawn(file, args, {
    cwd,
    env,
    ...(uid !== undefined && { uid }),
    ...(gid !== undefined && { gid }),
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  let late = false;
  const keep = (chunk: Buffer): void => void (output = (output + chunk.toString()).slice(-keptChars));
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  // It may end without reading.
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  const killAll = (): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended meanwhile.
    }
  };
  const limit = setTimeout(() => {
    late = true;
    killAll();
  }, timeoutMs);
  process.once("exit", killAll);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject);
      child.once("close", resolve);
    });
    if (code === 0) return output;
  } catch (cause) {
    throw new WeftError("UNAVAILABLE", `${what}: ${file} could not be run`, { cause });
  } finally {
    clearTimeout(limit);
    process.off("exit", killAll);
  }
  const why = late ? `it took longer than ${timeoutMs / 1000} s` : lastLines(output, 15);
  throw new WeftError("UNAVAILABLE", `${what} failed: ${why}`);
}

/** The end of a text, at most so many lines. */
export function lastLines(text: string, count: number): string {
  return text.trimEnd().split("\n").slice(-count).join("\n");
}
