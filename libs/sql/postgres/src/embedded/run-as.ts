import { spawnSync } from "node:child_process";
import { WeftError } from "@weft/kit";
import { type Account, findProgram, isReachable, ownerOf, systemAccount } from "./accounts.ts";

/** How to start PostgreSQL's programs, which refuse to run as root. */
export interface RunAs {
  /** Who is to own the data; undefined: whoever we are. */
  readonly owner: Account | undefined;
  command(program: string, args: readonly string[]): Command;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  readonly uid?: number;
  readonly gid?: number;
}

/** What PostgreSQL has to get at. */
export interface Places {
  readonly programs: readonly string[];
  /** Its data directory, there already or not. */
  readonly data: string;
}

/**
 * Decides who runs PostgreSQL. Not root: we do. Root: the owner of the data where there are any, else the system user
 * `postgres`, else `nobody`.
 *
 * A folder below one that only root may enter (`/root`, what mktemp makes) is out of that user's reach; there the
 * program starts with the one capability that lets it through. A root that may not become others (the root of a
 * rootless container) stays what it is, and is given another number in a user namespace.
 *
 * On Linux the server also gets the signal for a fast shutdown when its supervisor dies (prctl PR_SET_PDEATHSIG).
 */
export function chooseRunAs(places: Places): RunAs {
  const setpriv = process.platform === "linux" ? findProgram("setpriv") : undefined;
  if (process.getuid?.() !== 0) return { owner: undefined, command: prefixed([], setpriv) };

  const existing = ownerOf(places.data);
  const owned = existing === undefined || existing.uid === 0 ? undefined : existing;
  const account = owned ?? systemAccount("postgres") ?? systemAccount("nobody");
  if (account === undefined) throw cantRun("there is no user postgres or nobody to run it as");
  const blocked = [...places.programs, places.data].find((path) => !isReachable(path, account));

  // Data that belong to root were made in a namespace.
  if (existing?.uid !== 0) {
    const become = setpriv === undefined ? undefined : becoming(setpriv, account, blocked !== undefined);
    if (become !== undefined && works(become)) return { owner: account, command: prefixed(become, undefined) };
    if (blocked === undefined && setpriv === undefined) {
      return { owner: account, command: (file, args) => ({ file, args, ...account }) };
    }
  }
  const unshare = findProgram("unshare");
  const rename = unshare === undefined ? undefined : renamed(unshare, account);
  if (rename !== undefined && works(rename)) return { owner: undefined, command: prefixed(rename, setpriv) };
  throw cantRun(
    blocked === undefined ? "root may not become another user here" : `user ${account.uid} can't reach ${blocked}`,
  );
}

/** What the programs need of our environment, on one system or another. */
const variables = ["PATH", "TZ", "TMPDIR", "TMP", "TEMP", "SystemRoot", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/**
 * The environment for them, and no more: ours may hold secrets, and other programs of the user that they run as may
 * read theirs. Nor does a `PG…` variable change what they do.
 */
export function environment(): Record<string, string> {
  // eslint-disable-next-line no-restricted-properties -- these are the system's, not settings of Weft
  const all = variables.map((name) => [name, process.env[name]] as const);
  return Object.fromEntries(all.filter((entry): entry is [string, string] => entry[1] !== undefined));
}

const withParent = ["--pdeathsig", "INT"];

/** Through setpriv (util-linux). */
function becoming(setpriv: string, { uid, gid }: Account, isBlocked: boolean): readonly string[] {
  const as = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  // no_setuid_fixup: access(2), by which PostgreSQL looks for its own programs, ignores capabilities without it.
  const through = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"];
  return [setpriv, ...as, ...(isBlocked ? through : []), ...withParent, "--"];
}

/** Through unshare (util-linux): the same user, under another number. */
function renamed(unshare: string, { uid, gid }: Account): readonly string[] {
  return [unshare, "--user", `--map-user=${uid}`, `--map-group=${gid}`, "--"];
}

/** Whether a program can be started like this: what a container forbids shows only then. */
function works([file = "", ...args]: readonly string[]): boolean {
  return (
    spawnSync(file, [...args, "true"], { stdio: "ignore", timeout: 5000, cwd: "/", env: environment() }).status === 0
  );
}

/** Starts programs through others; `setpriv` is put last where it only ties the program to its parent. */
function prefixed(prefix: readonly string[], setpriv: string | undefined): RunAs["command"] {
  const all = setpriv === undefined ? prefix : [...prefix, setpriv, ...withParent, "--"];
  return (program, args) => {
    const [file = program, ...rest] = [...all, program, ...args];
    return { file, args: rest };
  };
}

function cantRun(why: string): WeftError {
  const what = "move the folder, run Weft as another user, or set WEFT_SQL to a server";
  return new WeftError("INVALID_CONFIGURATION", `PostgreSQL does not run as root, and ${why}: ${what}`);
}
