import { execFileSync } from "node:child_process";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorCode, isJsonObject, WeftError } from "@weft/kit";

/** Who holds a data folder: a process id alone may be given to another process later. */
interface Holder {
  readonly pid: number;
  /** When the process started, in the words of the system. */
  readonly startTime: string;
}

/**
 * Takes a data folder for this process; disposing gives it back. `FAILED_PRECONDITION` when a process that lives has
 * it, in the words of `taken`. That of a dead one, killed or not, is taken over.
 */
export function lockFolder(dataDir: string, taken: (pid: number) => string = meshRuns(dataDir)): Disposable {
  const path = join(dataDir, "mesh.lock");
  const mine = `${path}.${process.pid}`;
  const text = JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid) ?? "" } satisfies Holder);
  writeFileSync(mine, text, { mode: 0o600 });
  try {
    // A link comes to be whole or not at all: nobody sees a lock without its holder.
    while (!link(mine, path)) {
      const seen = read(path);
      const holder = holderOf(seen);
      if (holder !== undefined && isAlive(holder)) {
        throw new WeftError("FAILED_PRECONDITION", taken(holder.pid));
      }
      takeAside(path, seen);
    }
  } finally {
    rmSync(mine, { force: true });
  }
  return {
    [Symbol.dispose]: () => {
      if (read(path) === text) rmSync(path, { force: true });
    },
  };
}

function meshRuns(dataDir: string): (pid: number) => string {
  return (pid) =>
    `a mesh runs on ${dataDir} already (process ${pid}); stop it, or choose another folder with --data-dir`;
}

/** Whether a process with this id lives, and is the one that is meant. */
export function isAlive({ pid, startTime }: Holder): boolean {
  return startTimeOf(pid) === startTime;
}

/** When a process started; undefined when there is none. Only equality means something. */
export function startTimeOf(pid: number): string | undefined {
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  if (process.platform === "linux") {
    try {
      // Field 22 of proc_pid_stat(5), counted after the name, which may hold anything but ends in the last bracket.
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      // A zombie has ended; only its parent has not looked yet.
      return fields[0] === "Z" ? undefined : fields[19];
    } catch {
      return undefined;
    }
  }
  try {
    return execFileSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" }).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** Two may find the same dead holder, the second when the first has the lock already: then it is put back. */
function takeAside(path: string, seen: string): void {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (read(aside) !== seen) link(aside, path);
  rmSync(aside, { force: true });
}

function holderOf(text: string): Holder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (!isJsonObject(value)) return undefined;
    const { pid, startTime } = value;
    return typeof pid === "number" && typeof startTime === "string" ? { pid, startTime } : undefined;
  } catch {
    return undefined;
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function link(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}
