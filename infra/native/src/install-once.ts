import { mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { WeftError } from "@weft/kit";
import { exists } from "./machine.ts";

/** Longer than the slowest installation, a Go build. */
const lockTimeoutMs = 30 * 60_000;
const lookMs = 500;

/**
 * Makes `folder` by `build`, which gets a temporary folder beside it to fill: there is all of it or nothing, and
 * processes that want it at the same time wait for the one that makes it.
 */
export async function installOnce(folder: string, build: (temporary: string) => Promise<void>): Promise<void> {
  if (await exists(folder)) return;
  const parent = dirname(folder);
  await mkdir(parent, { recursive: true });
  const lock = await takeLock(join(parent, `${basename(folder)}.lock`));
  try {
    if (await exists(folder)) return;
    const temporary = await mkdtemp(join(parent, `${basename(folder)}.new-`));
    try {
      await build(temporary);
      await rename(temporary, folder);
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
  } finally {
    lock.close();
  }
}

/** A lock that the system frees when its holder dies. */
async function takeLock(path: string): Promise<DatabaseSync> {
  const lock = new DatabaseSync(path, { timeout: 0 });
  const until = performance.now() + lockTimeoutMs;
  for (;;) {
    try {
      lock.exec("BEGIN EXCLUSIVE");
      return lock;
    } catch (cause) {
      if (performance.now() > until) {
        lock.close();
        throw new WeftError("UNAVAILABLE", `another process still holds ${path}`, { cause });
      }
    }
    await sleep(lookMs);
  }
}
