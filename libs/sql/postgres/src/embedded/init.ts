import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { WeftError } from "@weft/kit";
import { environment, type PostgresPrograms, type RunAs } from "@weft/programs";
import { type Layout, layoutBelow, superuser } from "./layout.ts";

const prefix = "postgres.new-";

/**
 * Makes the data folder when there is none: under a name of its own, then renamed, so that a kill at any moment leaves
 * either nothing that counts or everything. What earlier tries left behind is removed. `UNAVAILABLE` when it fails, or
 * takes longer than `timeoutMs`.
 */
export async function initialise(
  layout: Layout,
  {
    binaries,
    runAs,
    timeoutMs,
  }: { readonly binaries: PostgresPrograms; readonly runAs: RunAs; readonly timeoutMs: number },
): Promise<void> {
  const dataDir = dirname(layout.root);
  for (const name of await readdir(dataDir)) {
    // An initdb whose parent was killed may still be writing there; the next start tries again.
    if (name.startsWith(prefix)) await rm(join(dataDir, name), { recursive: true, force: true }).catch(() => undefined);
  }
  if ((await stat(layout.root).catch(() => undefined)) !== undefined) return;

  const fresh = layoutBelow(join(dataDir, `${prefix}${randomBytes(6).toString("hex")}`), dataDir);
  await mkdir(fresh.root);
  // Enterable by the system user that a root start runs as; what is inside has modes of its own.
  await chmod(fresh.root, 0o711);
  await mkdir(fresh.data, { mode: 0o700 });
  await writeFile(fresh.password, randomBytes(24).toString("hex"), { mode: 0o600 });
  if (runAs.owner !== undefined) {
    await chown(fresh.data, runAs.owner.uid, runAs.owner.gid);
    await chown(fresh.password, runAs.owner.uid, runAs.owner.gid);
  }
  const { file, args, ...account } = runAs.command(binaries.initdb, [
    `--pgdata=${fresh.data}`,
    `--username=${superuser}`,
    `--pwfile=${fresh.password}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // The same order of text on every machine, whatever locales it has.
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--no-instructions",
  ]);
  const stdio: ["ignore", "ignore", "pipe"] = ["ignore", "ignore", "pipe"];
  await run(spawn(file, args, { ...account, stdio, cwd: "/", env: environment() }), timeoutMs);
  await rename(fresh.root, layout.root);
  await syncFolder(dataDir);
}

async function run(child: ChildProcessByStdio<null, null, Readable>, timeoutMs: number): Promise<void> {
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)));
  let late = false;
  const limit = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
    // A process of its own may hold it open.
    child.stderr.destroy();
  }, timeoutMs);
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).finally(() => clearTimeout(limit));
  if (code === 0) return;
  const why = late ? `it took longer than ${timeoutMs} ms` : errors.trim() || `exit code ${code}`;
  throw new WeftError("UNAVAILABLE", `PostgreSQL could not be initialised: ${why}`);
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  await folder.sync().finally(() => folder.close());
}
