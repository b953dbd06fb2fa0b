import { accessSync, constants, readFileSync, realpathSync, type Stats, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

/** A system user that is not root. */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** A user of the system by name; undefined when there is none, or it is root. */
export function systemAccount(name: string): Account | undefined {
  const line = readIfThere("/etc/passwd")
    .split("\n")
    .find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  return uid === undefined || gid === undefined || uid === "0" ? undefined : { uid: Number(uid), gid: Number(gid) };
}

/** Who owns a file or folder, root included; undefined when it is not there. */
export function ownerOf(path: string): Account | undefined {
  const stats = statIfThere(path);
  return stats === undefined ? undefined : { uid: stats.uid, gid: stats.gid };
}

/** Whether `account` may enter every folder on the way to `path` and to where its links lead, and execute it where it is a program. */
export function isReachable(path: string, account: Account): boolean {
  const absolute = resolve(path);
  const parent = dirname(absolute);
  if (parent !== absolute && !isReachable(parent, account)) return false;
  const real = realPathIfThere(absolute);
  if (real !== undefined && real !== absolute) return isReachable(real, account);
  return real === undefined || mayExecute(statSync(real), account);
}

function mayExecute(stats: Stats, { uid, gid }: Account): boolean {
  const bits = stats.uid === uid ? stats.mode >> 6 : stats.gid === gid ? stats.mode >> 3 : stats.mode;
  return (bits & 1) === 1;
}

/** Where systems keep util-linux; the last is NixOS. */
const programFolders = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin", "/run/current-system/sw/bin"];

/** Path of a program of the system. */
export function findProgram(name: string): string | undefined {
  return programFolders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function statIfThere(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Undefined for a link that leads nowhere, too. */
function realPathIfThere(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
