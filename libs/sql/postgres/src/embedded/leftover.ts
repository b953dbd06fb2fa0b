import { execFile } from "node:child_process";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { type Clock, errorCode, type Log, WeftError } from "@weft/kit";
import { type Layout, readPostmasterPid } from "./layout.ts";

/** How long each kind of shutdown may take, in milliseconds. */
interface StopLimits {
  readonly fastMs: number;
  readonly immediateMs: number;
}

const stopLimits: StopLimits = { fastMs: 20_000, immediateMs: 5000 };

/**
 * Stops a server whose supervisor died, and removes its `postmaster.pid` where the process is gone or is another one:
 * PostgreSQL would refuse to start when a stranger has got the same process id since.
 *
 * Called while holding the supervisor's lock, so nobody alive owns that server.
 */
export async function stopLeftover(layout: Layout, clock: Clock, log: Log): Promise<void> {
  const left = await readPostmasterPid(layout);
  if (left === undefined) return;
  if (await isPostmasterOf(layout, left.pid)) {
    log.warn({ pid: left.pid }, "stopping a PostgreSQL that an earlier start left behind");
    await stopProcess(left.pid, clock, () => isPostmasterOf(layout, left.pid));
  }
  await rm(join(layout.data, "postmaster.pid"), { force: true });
}

/** Fast shutdown (SIGINT), then immediate (SIGQUIT): https://www.postgresql.org/docs/18/server-shutdown.html */
export async function stopProcess(
  pid: number,
  clock: Clock,
  isAlive: () => boolean | Promise<boolean>,
  limits: StopLimits = stopLimits,
): Promise<void> {
  const steps = [
    ["SIGINT", limits.fastMs],
    ["SIGQUIT", limits.immediateMs],
    ["SIGKILL", limits.immediateMs],
  ] as const;
  for (const [signal, limitMs] of steps) {
    if (!sendSignal(pid, signal)) return;
    const until = clock.monotonic() + limitMs;
    while (clock.monotonic() < until) {
      if (!(await isAlive())) return;
      await clock.sleep(10);
    }
  }
  throw new WeftError("UNAVAILABLE", `PostgreSQL (pid ${pid}) can't be stopped`);
}

/** Whether process `pid` is the server of this very data directory, by its command line. */
async function isPostmasterOf(layout: Layout, pid: number): Promise<boolean> {
  const words = await commandLine(pid);
  return words.includes(layout.data) && words.includes("-D");
}

async function commandLine(pid: number): Promise<readonly string[]> {
  if (process.platform === "linux") {
    const text = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
    return text.split("\0");
  }
  const { stdout } = await promisify(execFile)("ps", ["-ww", "-o", "args=", "-p", String(pid)]).catch(() => ({
    stdout: "",
  }));
  // ps joins by spaces: a path with spaces is compared as it would look there.
  const at = stdout.indexOf(" -D ");
  return at < 0
    ? []
    : [
        "-D",
        stdout
          .slice(at + 4)
          .split(" -p ")[0]
          ?.trim() ?? "",
      ];
}

function sendSignal(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (errorCode(error) === "ESRCH") return false;
    // It lives, and belongs to somebody else.
    throw new WeftError("UNAVAILABLE", `PostgreSQL (pid ${pid}) can't be stopped`, { cause: error });
  }
}
