import { createHash } from "node:crypto";
import { access, constants, readFile, statfs } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { WeftError } from "@weft/kit";
import { readMeshFile } from "../mesh-file.ts";
import { checkPort, type UpConfig } from "../up/config.ts";
import type { Check } from "./command.ts";

const root = resolve(import.meta.dirname, "../../../..");
const leastNode = 24;
const leastFreeBytes = 1024 ** 3;

/** TypeScript is run as it is. */
export function checkNode(version: string): Check {
  const isEnough = Number(version.split(".")[0]) >= leastNode;
  const detail = isEnough ? version : `${version}; ${leastNode} or later is needed: start it by npm, which brings one`;
  return { name: "Node", state: isEnough ? "ok" : "missing", detail };
}

/** As the stamp says that every start compares; see tools/bootstrap.mjs. */
export async function checkDependencies(folder = root): Promise<Check> {
  const [lock, stamp] = await Promise.all([
    readFile(join(folder, "package-lock.json")).catch(() => Buffer.alloc(0)),
    readFile(join(folder, "node_modules/.weft-installed"), "utf8").catch(() => ""),
  ]);
  const isCurrent = stamp.split(" ")[0] === createHash("sha256").update(lock).digest("hex");
  const detail = isCurrent ? "as package-lock.json says" : "missing or old: run `npm ci`";
  return { name: "npm dependencies", state: isCurrent ? "ok" : "missing", detail };
}

/** Writable, or can be made; and room for a start. */
export async function checkDataDir(dataDir: string): Promise<Check> {
  const name = "data folder";
  const existing = await nearest(dataDir);
  try {
    await access(existing, constants.W_OK | constants.X_OK);
  } catch {
    const detail = `${dataDir} can't be written to: choose another with --data-dir or WEFT_DATA_DIR`;
    return { name, state: "missing", detail };
  }
  const { bavail, bsize } = await statfs(existing);
  const free = bavail * bsize;
  const gib = (free / 1024 ** 3).toFixed(1);
  const state = free < leastFreeBytes ? "missing" : "ok";
  return { name, state, detail: `${dataDir}, ${gib} GiB free${state === "ok" ? "" : ": 1 GiB is needed"}` };
}

/** Taken by the mesh of the data folder is fine. */
export async function checkGatewayPort(config: Pick<UpConfig, "edge" | "dataDir">): Promise<Check> {
  const { edge, dataDir } = config;
  const name = "gateway port";
  if (edge === undefined) return { name, state: "note", detail: "there is no gateway" };
  const running = readMeshFile(dataDir)?.gateway;
  if (running !== undefined) return { name, state: "ok", detail: `a mesh runs on this data folder: ${running}` };
  try {
    await checkPort(config);
    return { name, state: "ok", detail: `${edge.host}:${edge.port} is free` };
  } catch (error) {
    return { name, state: "missing", detail: WeftError.from(error).message };
  }
}

/** The folder itself, or the first above it that there is. */
async function nearest(path: string): Promise<string> {
  const isThere = await access(path).then(
    () => true,
    () => false,
  );
  return isThere || dirname(path) === path ? path : nearest(dirname(path));
}
