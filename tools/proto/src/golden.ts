import { execFile } from "node:child_process";
import { access, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = join(import.meta.dirname, "../../..");
/** Where golden events lie, with the contracts of other versions than today's. */
export const golden = join(root, "libs/contracts/src/golden");
/** What is said on topics; in every version at the same place. */
export const eventProto = "weft/event/v1/user_event.proto";

/** A row of a golden file. */
export interface GoldenRow {
  readonly type: string;
  /** ProtoJSON. */
  readonly says: Readonly<Record<string, unknown>>;
  /** What went over the wire; empty until it is recorded. */
  readonly hex: string;
}

/** Runs buf without a workspace around it; rejects with its `stdout` and `stderr` when it fails. */
export async function buf(cwd: string, ...args: string[]): Promise<Buffer> {
  const { stdout } = await run(join(root, "node_modules/.bin/buf"), args, { cwd, encoding: "buffer", timeout: 60_000 });
  return stdout;
}

/** Calls `work` with a folder that has the contract of events of a version, and nothing else. */
export async function withContract<T>(version: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "weft-contract-"));
  try {
    const own = join(golden, version, eventProto);
    const isOther = await access(own).then(
      () => true,
      () => false,
    );
    await mkdir(dirname(join(folder, eventProto)), { recursive: true });
    await cp(isOther ? own : join(root, "proto", eventProto), join(folder, eventProto));
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The golden files, by the version whose bytes they have. */
async function goldenFiles(): Promise<ReadonlyMap<string, string>> {
  const found = (await readdir(golden)).map((name) => /^user-events\.(.+)\.json$/.exec(name));
  return new Map(found.flatMap((match) => (match === null ? [] : [[match[1] ?? "", join(golden, match[0])] as const])));
}

/** Fills in the bytes of golden events that have none. What has been recorded is history, and stays. */
export async function recordGolden(): Promise<void> {
  for (const [version, path] of await goldenFiles()) {
    const rows = JSON.parse(await readFile(path, "utf8")) as GoldenRow[];
    if (rows.every(({ hex }) => hex !== "")) continue;
    const recorded = await withContract(version, (folder) =>
      Promise.all(rows.map(async (row) => (row.hex === "" ? { ...row, hex: await bytesOf(folder, row) } : row))),
    );
    await writeFile(path, `${JSON.stringify(recorded, undefined, 2)}\n`);
    console.log(`recorded ${path}`);
  }
}

async function bytesOf(folder: string, { type, says }: GoldenRow): Promise<string> {
  const from = join(await mkdtemp(join(folder, "row-")), "says.json");
  await writeFile(from, JSON.stringify(says));
  return (await buf(folder, "convert", ".", "--type", type, "--from", from, "--to", "-#format=binpb")).toString("hex");
}
