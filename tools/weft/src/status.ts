import { Blocks, openDiscovery } from "@weft/blocks";
import type { Instance } from "@weft/discovery";
import { isJsonObject } from "@weft/kit";
import { blockUrlsOf, type CommonConfig } from "@weft/service/config";
import type { CommonFlags } from "./cli.ts";
import { readMeshFile } from "./mesh-file.ts";
import { type Colour, paintFor, table, type Terminal } from "./terminal.ts";
import { readLookConfig } from "./up/config.ts";
import { startTimeOf } from "./up/folder-lock.ts";

/** How a process is, from what `up` says, from discovery, and from the process itself. */
export interface ProcessStatus {
  readonly service: string;
  /** Empty before it is known. */
  readonly instance: string;
  /** 0 when there is no process. */
  readonly pid: number;
  /** `host:port`; empty before it is known. */
  readonly grpc: string;
  readonly admin: string;
  readonly state: State;
}

type State = "ready" | "starting" | "restarting" | "stopped" | "unhealthy";

const probeTimeoutMs = 1500;

/** Prints the state of every process of the data folder's mesh. */
export async function statusCommand(flags: CommonFlags, terminal: Terminal): Promise<number> {
  const config = readLookConfig(flags, terminal);
  const processes = await statusOf(config);
  if (flags.json === true) {
    terminal.stdout.write(`${JSON.stringify({ processes })}\n`);
    return 0;
  }
  if (processes.length === 0) {
    terminal.stdout.write(`nothing runs on ${config.dataDir}\n`);
    return 0;
  }
  const paint = paintFor(terminal.stdout, terminal.env);
  const rows = processes.map(({ service, instance, pid, grpc, admin, state }) => {
    return [service, state, String(pid || ""), grpc, admin === "" ? "" : `http://${admin}`, instance];
  });
  const [head = "", ...lines] = table([["PROCESS", "STATE", "PID", "gRPC", "ADMIN", "INSTANCE"], ...rows]);
  const coloured = lines.map((line, index) => paint(colourOf(processes[index]?.state), line));
  terminal.stdout.write(`${[paint("dim", head), ...coloured].join("\n")}\n`);
  return 0;
}

/** Those that `up` started, in its order, then those that somebody else started. */
export async function statusOf(config: CommonConfig): Promise<readonly ProcessStatus[]> {
  const started = readMeshFile(config.dataDir)?.processes ?? [];
  const listed = await instancesOf(config);
  const known = new Set(started.map(({ instance }) => instance));
  const own = started.map(async ({ service, instance = "", pid = 0, grpc = "", admin = "", state }) => {
    const isListed = listed.some(({ id }) => id === instance);
    return {
      service,
      instance,
      pid,
      grpc,
      admin,
      state: state === "ready" ? await probe({ pid, admin, isListed }) : state,
    };
  });
  const others = listed
    .filter(({ id }) => !known.has(id))
    .map(async ({ service, id, address, metadata }) => {
      const { admin = "", grpc = address } = metadata;
      const pid = Number(metadata["pid"] ?? 0);
      return { service, instance: id, pid, grpc, admin, state: await probe({ pid, admin, isListed: true }) };
    });
  // One that is dead stays listed until its time runs out.
  const alive = (await Promise.all(others)).filter(({ state }) => state !== "restarting");
  return [...(await Promise.all(own)), ...alive];
}

/** What discovery lists; nothing where it can't be reached. */
async function instancesOf(config: CommonConfig): Promise<readonly Instance[]> {
  await using stack = new AsyncDisposableStack();
  try {
    const blocks = new Blocks({ dataDir: config.dataDir, urls: blockUrlsOf(config), stack });
    return await (await openDiscovery(blocks)).list();
  } catch {
    return [];
  }
}

/** Asks the process itself: one that lives and does not say that it is ready is unhealthy. */
async function probe(process: { pid: number; admin: string; isListed: boolean }): Promise<State> {
  if (startTimeOf(process.pid) === undefined) return "restarting";
  try {
    const signal = AbortSignal.timeout(probeTimeoutMs);
    const report: unknown = await (await fetch(`http://${process.admin}/readyz`, { signal })).json();
    const status = isJsonObject(report) ? report["status"] : undefined;
    if (status === "ready") return process.isListed ? "ready" : "unhealthy";
    return status === "starting" ? "starting" : status === "draining" ? "stopped" : "unhealthy";
  } catch {
    return "unhealthy";
  }
}

function colourOf(state: State | undefined): Colour {
  if (state === "ready") return "green";
  return state === "unhealthy" || state === "stopped" ? "red" : "yellow";
}
