import { type ChildProcess, type ChildProcessByStdio, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "@weft/native";
import { blockUrlDefaults, type BlockUrls, type Profile } from "@weft/blocks";

const root = join(import.meta.dirname, "../../..");
const weft = join(root, "tools/weft/src/main.ts");

/** A row of `weft status --json`. */
export interface MeshProcess {
  readonly service: string;
  readonly instance: string;
  readonly pid: number;
  readonly grpc: string;
  readonly admin: string;
  readonly state: string;
}

/** A whole mesh of real processes, in a data folder of its own. Disposing stops it and removes the folder. */
export interface Mesh extends AsyncDisposable {
  /** `http://127.0.0.1:port` of the gateway. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** Token of the administrator. */
  readonly token: string;
  readonly urls: BlockUrls;
  /** Variables by which a command of the CLI finds this mesh. */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds from the command to readiness. */
  readonly startMs: number;
  /** What `weft up` printed so far. */
  output(): string;
  status(): Promise<readonly MeshProcess[]>;
  /** Stops by Ctrl-C's signal; answers the exit code. */
  stop(): Promise<number | null>;
}

export interface MeshOptions {
  /** Flags of `weft up`. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Use this folder and leave it behind. */
  readonly dataDir?: string;
  /** The real servers to run on. Default: those of `WEFT_TEST_STACK` if it is set, else embedded blocks. */
  readonly servers?: ServerUrls;
}

/** URLs as `weft stack status --json` prints them. */
export type ServerUrls = Readonly<Record<"consul" | "elasticsearch" | "kafka" | "postgres" | "redis", string>>;

/** Starts a mesh and waits until it is ready, at most two minutes. */
export async function startMesh(options: MeshOptions = {}): Promise<Mesh> {
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "weft-system-")));
  const port = await freePort();
  const servers = options.servers ?? serversOfRun();
  const urls = servers === undefined ? blockUrlDefaults("embedded") : urlsOn(servers, dataDir);
  const env = environmentOf(dataDir, urls, servers === undefined ? "embedded" : "stack");
  const started = performance.now();
  const child = spawn(process.execPath, [weft, "up", ...(options.args ?? [])], {
    cwd: root,
    env: { ...cleanEnvironment(), ...env, WEFT_PORT: String(port), ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => chunks.push(text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => chunks.push(text));
  const output = (): string => chunks.join("");
  const stop = (): Promise<number | null> => end(child);
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(
      () => {
        if (child.exitCode !== null) throw new Error(`weft up ended with ${child.exitCode}:\n${output()}`);
        return output().includes("mesh is ready");
      },
      { what: () => `the mesh to be ready:\n${output()}`, timeoutMs: 120_000 },
    );
    const startMs = performance.now() - started;
    const token = (await readFile(join(dataDir, "admin-token"), "utf8")).trim();
    return {
      url,
      port,
      dataDir,
      token,
      env,
      urls,
      startMs,
      output,
      stop,
      status: () => status(env),
      async [Symbol.asyncDispose]() {
        await stop();
        if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await stop();
    if (options.dataDir === undefined) await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}

/**
 * The mesh that runs already, which `WEFT_TEST_MESH` describes: its gateway's URL, and a folder in which there is the
 * administrator's token. Its servers listen on their usual ports. Undefined when there is none; disposing leaves it alone.
 */
export function runningMesh(): (Pick<Mesh, "url" | "dataDir" | "env"> & AsyncDisposable) | undefined {
  const text = process.env["WEFT_TEST_MESH"];
  if (text === undefined) return undefined;
  const { url, dataDir } = JSON.parse(text) as Pick<Mesh, "url" | "dataDir">;
  const env = environmentOf(dataDir, blockUrlDefaults("stack"), "stack");
  return { url, dataDir, env, [Symbol.asyncDispose]: () => Promise.resolve() };
}

/** A process of a service that somebody started beside those of a mesh. */
export interface ProcessBeside extends AsyncDisposable {
  /** Asks it to stop; answers the exit code. */
  stop(): Promise<number | null>;
}

/** Starts a file that Node runs as a service of the mesh: another version of it, say. It is listed some time after. */
export function startBeside(
  mesh: Pick<Mesh, "dataDir" | "env">,
  file: string,
  env: Readonly<Record<string, string>> = {},
): ProcessBeside {
  const child = spawn(process.execPath, [file], {
    cwd: mesh.dataDir,
    env: { PATH: process.env["PATH"] ?? "", ...mesh.env, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const exited = once(child, "exit");
  const stop = async (): Promise<number | null> => {
    child.kill("SIGTERM");
    await exited;
    return child.exitCode;
  };
  return { stop, [Symbol.asyncDispose]: async () => void (await stop()) };
}

/** The file that Node runs as a service of this version. */
export function serviceFile(service: string): string {
  return join(root, "apps", service, "src/main.ts");
}

/** Begins a command of the CLI; it is ended after 30 s at the latest. */
export function spawnWeft(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): ChildProcessByStdio<null, Readable, Readable> {
  return spawn(process.execPath, [weft, ...args], {
    cwd: root,
    env: { ...cleanEnvironment(), ...env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 30_000,
  });
}

/** Runs the CLI to its end. */
export async function runWeft(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawnWeft(args, env);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  await once(child, "close");
  return { code: child.exitCode, stdout, stderr };
}

/** Waits until `check` holds, looking again every 20 ms. */
export async function until(
  check: () => boolean | Promise<boolean>,
  { what, timeoutMs = 30_000 }: { readonly what: string | (() => string); readonly timeoutMs?: number },
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await check())) {
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${typeof what === "string" ? what : what()}`);
    }
    await sleep(20);
  }
}

async function status(env: Readonly<Record<string, string>>): Promise<readonly MeshProcess[]> {
  const { code, stdout, stderr } = await runWeft(["status", "--json"], env);
  if (code !== 0) throw new Error(`weft status ended with ${code}: ${stderr}`);
  return (JSON.parse(stdout) as { processes: MeshProcess[] }).processes;
}

async function end(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill("SIGINT");
    const late = AbortSignal.timeout(60_000);
    try {
      await once(child, "exit", { signal: late });
    } catch {
      child.kill("SIGKILL");
      throw new Error("weft up did not stop within 60 s");
    }
  }
  return child.exitCode;
}

function serversOfRun(): ServerUrls | undefined {
  const text = process.env["WEFT_TEST_STACK"];
  return text === undefined ? undefined : (JSON.parse(text) as ServerUrls);
}

/**
 * The blocks of a mesh on real servers. Meshes share those, each under a namespace of its own, which a mesh on the same
 * folder finds again.
 */
export function urlsOn(servers: ServerUrls, dataDir: string): BlockUrls {
  const namespace = `t${createHash("sha256").update(dataDir).digest("hex").slice(0, 10)}`;
  const named = (url: string): string => `${url}?namespace=${namespace}`;
  const database = new URL(servers.postgres);
  database.pathname = `/${namespace}`;
  return {
    ...blockUrlDefaults("stack"),
    discovery: named(servers.consul),
    configuration: named(servers.consul),
    pubsub: named(servers.kafka),
    state: named(servers.redis),
    lock: named(servers.redis),
    search: named(servers.elasticsearch),
    sql: database.href,
  };
}

/** Variables that say the same. */
export function environmentOf(dataDir: string, urls: BlockUrls, profile: Profile): Record<string, string> {
  const entries = Object.entries(urls).map(([block, url]: [string, string]) => [`WEFT_${block.toUpperCase()}`, url]);
  return { WEFT_DATA_DIR: dataDir, WEFT_PROFILE: profile, ...Object.fromEntries(entries) };
}

/** Our own settings of the outside world must not reach the mesh under test. */
export function cleanEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !entry[0].startsWith("WEFT_"),
    ),
  );
}
