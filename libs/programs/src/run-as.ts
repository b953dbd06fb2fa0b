import { spawnSync } from "node:child_process";
import { WeftError } from "@weft/kit";
import { type Account, findProgram, isReachable, ownerOf, systemAccount } from "./accounts.ts";

/** How to start a server's programs. */
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

/** What is to run, and what it has to get at. */
export interface RunAsOptions {
  /** For messages: `PostgreSQL`. */
  readonly server: string;
  /** For messages: what to do where it can't run. */
  readonly otherwise: string;
  /** Paths of its programs, or of the folders that hold them. */
  readonly programs: readonly string[];
  /** Its data directory, there already or not. */
  readonly data: string;
  /** System users that may run it when we are root, best first. */
  readonly users: readonly string[];
  /** Whether it ends when the process that started it does, however that ends. Linux only. Default true. */
  readonly tied?: boolean;
}

/**
 * Decides who runs a server that refuses to run as root. Not root: we do. Root: the owner of the data where there are
 * any, else the first of `users` that there is.
 *
 * A folder below one that only root may enter (`/root`, what mktemp makes) is out of that user's reach; there the
 * program starts with the one capability that lets it through. A root that may not become others (the root of a
 * rootless container) stays what it is, and is given another number in a user namespace.
 *
 * Unless it is not `tied`, the server gets a SIGINT when its supervisor dies (prctl PR_SET_PDEATHSIG).
 *
 * `INVALID_CONFIGURATION` when root can't run it here.
 */
export function chooseRunAs(options: RunAsOptions): RunAs {
  const { data, users, tied = true } = options;
  if (process.getuid?.() !== 0) return ourselves(tied);

  const setpriv = findSetpriv();
  const existing = ownerOf(data);
  const owned = existing === undefined || existing.uid === 0 ? undefined : existing;
  const account = owned ?? users.map(systemAccount).find((found) => found !== undefined);
  if (account === undefined) throw cantRun(options, `there is no user ${users.join(" or ")} to run it as`);
  const blocked = [...options.programs, data].find((path) => !isReachable(path, account));

  // Data that belong to root were made in a namespace.
  if (existing?.uid !== 0) {
    const become =
      setpriv === undefined ? undefined : becoming(setpriv, account, { isBlocked: blocked !== undefined, tied });
    if (become !== undefined && works(become)) return { owner: account, command: prefixed(become, undefined) };
    if (blocked === undefined && setpriv === undefined) {
      return { owner: account, command: (file, args) => ({ file, args, ...account }) };
    }
  }
  const unshare = findProgram("unshare");
  const rename = unshare === undefined ? undefined : renamed(unshare, account);
  if (rename !== undefined && works(rename))
    return { owner: undefined, command: prefixed(rename, tied ? setpriv : undefined) };
  throw cantRun(
    options,
    blocked === undefined ? "root may not become another user here" : `user ${account.uid} can't reach ${blocked}`,
  );
}

/** For a server that may run as whoever we are, root too. */
export function ourselves(tied = true): RunAs {
  return { owner: undefined, command: prefixed([], tied ? findSetpriv() : undefined) };
}

function findSetpriv(): string | undefined {
  return process.platform === "linux" ? findProgram("setpriv") : undefined;
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
function becoming(
  setpriv: string,
  { uid, gid }: Account,
  { isBlocked, tied }: { readonly isBlocked: boolean; readonly tied: boolean },
): readonly string[] {
  const as = [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"];
  // no_setuid_fixup: access(2), by which PostgreSQL looks for its own programs, ignores capabilities without it.
  const through = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"];
  return [setpriv, ...as, ...(isBlocked ? through : []), ...(tied ? withParent : []), "--"];
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

function cantRun({ server, otherwise }: RunAsOptions, why: string): WeftError {
  const what = `move the folder, run Weft as another user, or ${otherwise}`;
  return new WeftError("INVALID_CONFIGURATION", `${server} does not run as root, and ${why}: ${what}`);
}
