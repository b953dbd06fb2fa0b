import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, relative } from "node:path";
import { writeDependencies } from "./dependencies.ts";
import { recordGolden } from "./golden.ts";

const root = join(import.meta.dirname, "../../..");
const dependencies = join(root, ".cache/proto");
const generated = join(root, "libs/contracts/src/gen");
const baseline = "proto/baseline.binpb";

const usage = "usage: npm run proto -- [check | generate | golden | release]";

process.exitCode = await main(process.argv[2] ?? "check");

async function main(command: string): Promise<number> {
  if (!["check", "generate", "golden", "release"].includes(command)) {
    console.error(usage);
    return 1;
  }
  if (command === "golden") {
    await recordGolden();
    return 0;
  }
  await writeDependencies(dependencies);
  if (command === "generate") return buf("generate");
  if (command === "release") return buf("build", "proto", "--exclude-source-info", "-o", baseline);
  // Imports are left out: buf brings its own copy of `google/protobuf`, which differs between its versions.
  const breaking = () => buf("breaking", "proto", "--exclude-imports", "--against", baseline);
  return buf("lint", "proto") || breaking() || (await checkDrift());
}

/** Generated code must be what the protos say: generates again beside it and compares. */
async function checkDrift(): Promise<number> {
  const scratch = await mkdtemp(join(tmpdir(), "weft-proto-"));
  try {
    const code = buf("generate", "-o", scratch);
    if (code !== 0) return code;
    const [fresh, committed] = await Promise.all([
      readTree(join(scratch, relative(root, generated))),
      readTree(generated),
    ]);
    const names = [...new Set([...fresh.keys(), ...committed.keys()])].sort();
    const drifted = names.filter((name) => fresh.get(name) !== committed.get(name));
    for (const name of drifted) console.error(`differs from proto/: ${relative(root, generated)}/${name}`);
    if (drifted.length > 0) console.error("run `npm run generate` and commit the result");
    return drifted.length > 0 ? 1 : 0;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function readTree(directory: string): Promise<Map<string, string>> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(files.map(async (file) => [relative(directory, file), await readFile(file, "utf8")] as const)),
  );
}

function buf(...args: string[]): number {
  const bin = join(root, "node_modules/.bin");
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env["PATH"] ?? ""}` };
  const { status, error } = spawnSync(join(bin, "buf"), args, { cwd: root, env, stdio: "inherit" });
  if (error) console.error(`buf could not be run: ${error.message}`);
  return status ?? 1;
}
