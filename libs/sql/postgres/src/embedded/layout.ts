import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Secret, WeftError } from "@weft/kit";

/** Where things are below `<dataDir>/postgres`. The whole folder comes into being by one rename, complete. */
export interface Layout {
  readonly root: string;
  /** PostgreSQL's own data directory. */
  readonly data: string;
  /** Mode 0600. */
  readonly password: string;
  /** The port of the last start: the next one takes it again if it can, so that clients find their way back. */
  readonly port: string;
  /** A SQLite file whose lock says that a supervisor lives: the system frees it when the holder dies. */
  readonly lock: string;
}

export function layoutOf(dataDir: string): Layout {
  const root = join(resolve(dataDir), "postgres");
  return layoutBelow(root, resolve(dataDir));
}

/** The same places while the folder still has another name. */
export function layoutBelow(root: string, dataDir: string): Layout {
  return {
    root,
    data: join(root, "data"),
    password: join(root, "password"),
    port: join(root, "port"),
    lock: join(dataDir, "postgres.lock"),
  };
}

/** What a running server wrote of itself: https://www.postgresql.org/docs/18/storage-file-layout.html */
export interface PostmasterPid {
  readonly pid: number;
  readonly port: number;
}

export async function readPostmasterPid(layout: Layout): Promise<PostmasterPid | undefined> {
  const text = await readFile(join(layout.data, "postmaster.pid"), "utf8").catch(() => "");
  const lines = text.split("\n");
  const pid = Number(lines[0]);
  return Number.isSafeInteger(pid) && pid > 1 ? { pid, port: Number(lines[3] ?? 0) } : undefined;
}

/** Name of the superuser. */
export const superuser = "weft";
/** The database of the user service. */
const database = "weft_user";

export function urlOf(password: string, port: number): Secret {
  // Told outright, as the environment variable PGSSLMODE would count otherwise.
  return new Secret(`postgres://${superuser}:${password}@127.0.0.1:${port}/${database}?sslmode=disable`);
}

/**
 * The URL of the server that runs in a data folder, for processes that did not start it.
 * `UNAVAILABLE` when none has been started there.
 */
export async function embeddedPostgresUrl(dataDir: string): Promise<Secret> {
  const layout = layoutOf(dataDir);
  const running = await readPostmasterPid(layout);
  const password = await readFile(layout.password, "utf8").catch(() => undefined);
  if (running === undefined || password === undefined) {
    throw new WeftError("UNAVAILABLE", "no embedded PostgreSQL runs in the data folder");
  }
  return urlOf(password, running.port);
}
