import { Blocks, openDiscovery } from "@weft/blocks";
import type { Instance } from "@weft/discovery";
import { isJsonObject } from "@weft/kit";
import { blockUrlsOf, type CommonConfig } from "@weft/service/config";
import type { StatusFlags } from "./cli.ts";
import { readMeshFile } from "./mesh-file.ts";
import { type Calls, callsOf, details, painted, summary } from "./status-targets.ts";
import { type Colour, paintFor, type Terminal } from "./terminal.ts";
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

/** A process, and how calls go from and to it. */
type Shown = ProcessStatus & Calls;

/** Prints the state of every process of the data folder's mesh, and of what they call. */
export async function statusCommand(flags: StatusFlags, terminal: Terminal): Promise<number> {
  const config = readLookConfig(flags, terminal);
  const processes = await Promise.all(
    (await statusOf(config)).map(async (one): Promise<Shown> => ({ ...one, ...(await callsOf(one.admin)) })),
  );
  const print = (lines: readonly string[]): unknown => terminal.stdout.write(`${lines.join("\n")}\n`);
  if (flags.json === true) {
    print([JSON.stringify({ processes })]);
    return 0;
  }
  if (processes.length === 0) {
    print([`nothing runs on ${config.dataDir}`]);
    return 0;
  }
  const paint = paintFor(terminal.stdout, terminal.env);
  const callers = processes.map((one) => ({ name: nameOf(one, processes), targets: one.targets }));
  if (flags.targets !== undefined) {
    const service = flags.targets === true ? undefined : flags.targets;
    const lines = details(callers, service, paint);
    print(lines.length > 0 ? lines : [`nobody has called ${service ?? "anybody"} yet`]);
    return 0;
  }
  const rows = processes.map((one) => [
    nameOf(one, processes),
    one.state,
    String(one.pid || ""),
    one.grpc,
    one.admin === "" ? "" : `http://${one.admin}`,
    strainOf(one),
    one.instance,
  ]);
  const head = ["PROCESS", "STATE", "PID", "gRPC", "ADMIN", "STRAIN", "INSTANCE"];
  const colours = processes.map(({ state }) => colourOf(state));
  const calls = summary(callers, paint);
  print([...painted([head, ...rows], colours, paint), ...(calls.length === 0 ? [] : ["", ...calls])]);
  return 0;
}

/** The degrade score where there is one, and what was refused for want of room. */
function strainOf({ server }: Calls): string {
  if (server === undefined) return "";
  const { score, degraded, shed } = server;
  const refused = Object.values(shed).reduce((sum, count) => sum + count, 0);
  const words = [
    ...(score > 0 || degraded ? [`${score}${degraded ? " degraded" : ""}`] : []),
    ...(refused > 0 ? [`${refused} refused`] : []),
  ];
  return words.join(", ");
}

/** `user`, or `user-2` where there are several. */
function nameOf(one: ProcessStatus, all: readonly ProcessStatus[]): string {
  const replicas = all.filter(({ service }) => service === one.service);
  return replicas.length === 1 ? one.service : `${one.service}-${replicas.indexOf(one) + 1}`;
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
