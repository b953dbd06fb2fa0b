import { execFile } from "node:child_process";
import { cp, glob, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const root = join(import.meta.dirname, "../../..");
const run = promisify(execFile);

/** A copy of this repository, changed into what a next version might be. Disposing removes it. */
export interface NextVersion extends AsyncDisposable {
  /** The file that Node runs: the bundle of a service of that version. */
  bundle(service: string): Promise<string>;
  /** Generates what follows from the contracts, before anything is bundled. */
  generate(): Promise<void>;
  /** Checks its contracts against the released ones, and what was generated; rejects with what `buf` says. */
  checkContracts(): Promise<void>;
}

/** A text of a file that is replaced: the text has to be there. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** Copies what git knows or would add, and applies the edits. `version` is what its bundles call themselves. Installed packages are shared, those of this repository are the copy's own. */
export async function nextVersion(version: string, edits: readonly Edit[]): Promise<NextVersion> {
  await using stack = new AsyncDisposableStack();
  const copy = await mkdtemp(join(tmpdir(), "weft-next-"));
  stack.defer(() => rm(copy, { recursive: true, force: true }));
  const { stdout } = await run("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  for (const file of stdout.split("\0").filter((name) => name !== "")) {
    await cp(join(root, file), join(copy, file)).catch(ignoreMissing);
  }
  await linkPackages(copy);
  for (const edit of edits) await apply(copy, edit);
  const node = async (...args: string[]): Promise<void> => {
    await run(process.execPath, args, { cwd: copy, timeout: 120_000, env: { ...process.env, WEFT_VERSION: version } });
  };
  const kept = stack.move();
  return {
    async bundle(service) {
      await node("tools/build/src/main.ts", join("apps", service));
      return join(copy, "dist/apps", service, "main.js");
    },
    generate: () => node("tools/proto/src/main.ts", "generate"),
    checkContracts: () => node("tools/proto/src/main.ts", "check"),
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function apply(copy: string, { file, find, replace }: Edit): Promise<void> {
  const path = join(copy, file);
  const text = await readFile(path, "utf8");
  if (text.split(find).length !== 2) throw new Error(`${file} has to have this once, for a next version: ${find}`);
  await writeFile(
    path,
    text.replace(find, () => replace),
  );
}

async function linkPackages(copy: string): Promise<void> {
  const from = join(root, "node_modules");
  const to = join(copy, "node_modules");
  await mkdir(join(to, "@weft"), { recursive: true });
  for (const name of await readdir(from)) {
    if (name !== "@weft") await symlink(join(from, name), join(to, name));
  }
  // Relative links into the workspace, which is the copy there.
  for (const name of await readdir(join(from, "@weft"))) {
    await symlink(await readlink(join(from, "@weft", name)), join(to, "@weft", name));
  }
  // What npm could not hoist.
  for await (const folder of glob(["{apps,libs,tools,infra}/*/node_modules", "libs/*/*/node_modules"], { cwd: root })) {
    await symlink(join(root, folder), join(copy, folder));
  }
}

/** A file that git knows and somebody has deleted. */
function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}
