import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { WeftError } from "@weft/kit";
import type { Binaries } from "./binaries.ts";
import { type Layout, layoutBelow, superuser } from "./layout.ts";
import type { RunAs } from "./run-as.ts";

const prefix = "postgres.new-";

/**
 * Makes the data folder when there is none: under a name of its own, then renamed, so that a kill at any moment leaves
 * either nothing that counts or everything. What earlier tries left behind is removed.
 */
export async function initialise(layout: Layout, binaries: Binaries, runAs: RunAs): Promise<void> {
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
  await run(runAs, binaries.initdb, [
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
  await rename(fresh.root, layout.root);
  await syncFolder(dataDir);
}

async function run(runAs: RunAs, program: string, args: readonly string[]): Promise<void> {
  const { file, args: all, ...account } = runAs.command(program, args);
  const child = spawn(file, all, { ...account, stdio: ["ignore", "ignore", "pipe"], cwd: "/" });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2000)));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) {
    throw new WeftError("UNAVAILABLE", `PostgreSQL could not be initialised: ${errors.trim() || `exit code ${code}`}`);
  }
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  await folder.sync().finally(() => folder.close());
}
