import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { environment } from "@weft/programs";
import { WeftError } from "@weft/kit";
import type { Launch } from "./recipe.ts";

/** A server's process, started by us. */
export interface Child {
  /** To the server; `SIGKILL`, `SIGSTOP` and `SIGCONT` to the processes of its own, too. */
  signal(name: NodeJS.Signals): void;
  /** Of the server itself, which may be a child of what was started. */
  pid(): number;
  readonly hasEnded: () => boolean;
  /** Resolves when it has ended, whyever. */
  readonly ended: Promise<void>;
}

/** Starts it in a process group of its own, so that Ctrl-C reaches only us; what it says goes to the end of `logFile`. */
export function launch({ file, args, uid, gid, cwd = "/", env = {}, pidFile }: Launch, logFile: string): Child {
  const log = openSync(logFile, "a", 0o600);
  let child: ChildProcess;
  try {
    child = spawn(file, args, {
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
      cwd,
      env: { ...environment(), ...env },
      stdio: ["ignore", log, log],
      detached: true,
    });
  } finally {
    closeSync(log);
  }
  // Whoever waits for it has a timer of their own.
  child.unref();
  let over = false;
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("exit", () => {
      // Processes of its own that it left behind.
      if (child.pid !== undefined) send(-child.pid, "SIGKILL");
      resolve();
    });
  }).then(() => void (over = true));
  const pidOf = (): number => {
    if (child.pid === undefined) throw new WeftError("UNAVAILABLE", `${file} can't be run`);
    return pidFile === undefined ? child.pid : readPid(pidFile, child.pid);
  };
  return {
    hasEnded: () => over,
    ended,
    pid: pidOf,
    signal: (name) => {
      const pid = pidOf();
      // Started by another, it is not the leader of the group; and that one is to see how it ends.
      send(forAll.has(name) && pid === child.pid ? -pid : pid, name);
    },
  };
}

const forAll: ReadonlySet<NodeJS.Signals> = new Set(["SIGKILL", "SIGSTOP", "SIGCONT"]);

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** From the server's own file; before there is one, that of the process which starts it. */
function readPid(path: string, otherwise: number): number {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isSafeInteger(pid) && pid > 1 ? pid : otherwise;
  } catch {
    return otherwise;
  }
}

/** Resolves to whether it has ended within the time. */
export async function endsWithin(child: Child, limitMs: number): Promise<boolean> {
  const limit = new AbortController();
  const timeUp = sleep(limitMs, false, { signal: limit.signal }).catch(() => false);
  const ended = await Promise.race([child.ended.then(() => true), timeUp]);
  limit.abort();
  return ended;
}
