import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** The licences of the packages that these files are of, as one text. Paths are below the root of the repository. */
export async function licencesOf(root: string, files: readonly string[]): Promise<string> {
  const folders = new Set(files.flatMap((file) => packageFolder(file) ?? []));
  const parts = await Promise.all([...folders].sort().map((folder) => licenceOf(join(root, folder))));
  // The same package may lie in two places.
  return [...new Set(parts)].join(`\n${"-".repeat(80)}\n\n`);
}

/** `node_modules/a/node_modules/@b/c` of `node_modules/a/node_modules/@b/c/dist/d.js`. */
function packageFolder(file: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];
}

async function licenceOf(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as {
    readonly name: string;
    readonly version: string;
    readonly license?: string;
  };
  const texts = (await readdir(folder)).filter((entry) => /^(licen[cs]e|notice|copying)/i.test(entry)).sort();
  const heading = `${name} ${version} (${license ?? "see below"})\n`;
  const bodies = await Promise.all(texts.map((text) => readFile(join(folder, text), "utf8")));
  return [heading, ...bodies.map((body) => `${body.trim()}\n`)].join("\n");
}
