import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isAlive } from "./up/folder-lock.ts";

/** What runs on a data folder, as `up` writes it down in `mesh.json` (mode 0600). */
export interface MeshFile {
  /** Of `weft up`. */
  readonly pid: number;
  /** In the words of the system: the id alone may be another process' by now. */
  readonly startTime: string;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly profile: string;
  /** `http://host:port`; undefined until it listens. */
  readonly gateway?: string;
  readonly processes: readonly MeshProcess[];
}

export interface MeshProcess {
  readonly service: string;
  /** From 1; counts the replicas. */
  readonly number: number;
  readonly state: "starting" | "ready" | "restarting" | "stopped";
  readonly pid?: number;
  /** Of the process with this id, in the words of the system. */
  readonly startTime?: string;
  readonly instance?: string;
  /** `host:port` */
  readonly grpc?: string;
  /** `host:port` */
  readonly admin?: string;
}

const pathOf = (dataDir: string): string => join(dataDir, "mesh.json");

/** Readers see the file before or after, never half of it. */
export function writeMeshFile(dataDir: string, mesh: MeshFile): void {
  const path = pathOf(dataDir);
  writeFileSync(`${path}.new`, `${JSON.stringify(mesh, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function removeMeshFile(dataDir: string): void {
  rmSync(pathOf(dataDir), { force: true });
}

/** Undefined when no `up` runs on the folder. */
export function readMeshFile(dataDir: string): MeshFile | undefined {
  const mesh = read(dataDir);
  return mesh !== undefined && isAlive(mesh) ? mesh : undefined;
}

/** Processes that outlive an `up` that was killed: they are ending by themselves. */
export function leftBehind(dataDir: string): readonly number[] {
  const processes = read(dataDir)?.processes ?? [];
  return processes.flatMap(({ pid, startTime }) => {
    return pid !== undefined && startTime !== undefined && isAlive({ pid, startTime }) ? [pid] : [];
  });
}

function read(dataDir: string): MeshFile | undefined {
  try {
    // Written by `writeMeshFile` and nobody else.
    return JSON.parse(readFileSync(pathOf(dataDir), "utf8")) as MeshFile;
  } catch {
    return undefined;
  }
}
