import { join } from "node:path";
import { type Clock, type Secret, systemClock } from "@weft/kit";
import { type MeshFile, type MeshProcess, removeMeshFile, writeMeshFile } from "../mesh-file.ts";
import { table } from "../terminal.ts";
import { Child, type ChildState } from "./child.ts";
import type { UpConfig } from "./config.ts";
import { startTimeOf } from "./folder-lock.ts";
import type { ProcessSpec } from "./processes.ts";
import type { Screen } from "./screen.ts";
import { SqlServer, type StartSql } from "./sql-server.ts";

export interface MeshOptions {
  readonly config: UpConfig;
  readonly processes: readonly ProcessSpec[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly screen: Screen;
  readonly startSql: StartSql;
  readonly clock?: Clock;
}

/** Every process of the mesh, from the start of the first to the end of the last. */
export class Mesh {
  readonly #options: MeshOptions;
  readonly #clock: Clock;
  readonly #children: readonly Child[];
  readonly #sql: SqlServer | undefined;
  readonly #since = new Date().toISOString();
  readonly #startTime = startTimeOf(process.pid) ?? "";
  #sqlUrl: Secret | undefined;
  /** The gateway's port once it is known: it keeps it through restarts. */
  #edgePort: string | undefined;
  #announced = false;
  #stopping = false;

  constructor(options: MeshOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    const { config, screen } = options;
    const needsSql = options.processes.some((spec) => spec.needsSql === true);
    const { edge } = config;
    this.#edgePort = edge === undefined || edge.port === 0 ? undefined : String(edge.port);
    this.#children = options.processes.map((spec) => this.#childOf(spec));
    if (!config.runsSql || !needsSql) return;
    const log = screen.logOf("postgres");
    const onReady = (url: Secret): void => this.#sqlReady(url);
    this.#sql = new SqlServer({ start: options.startSql, dataDir: config.dataDir, clock: this.#clock, log, onReady });
  }

  /** Starts everything at once; resolves when the SQL server answers, and rejects if it can't be started. */
  async start(): Promise<void> {
    for (const child of this.#children) {
      if (this.#sql === undefined || child.spec.needsSql !== true) child.start();
    }
    this.#write();
    await this.#sql?.start();
  }

  /** Ends everything in order: the edge, the services, the SQL server. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const child of this.#children) child.retire();
    const { stopLimitMs, dataDir } = this.#options.config;
    const isEdge = (child: Child): boolean => child.spec.service === "gateway";
    for (const group of [this.#children.filter(isEdge), this.#children.filter((child) => !isEdge(child))]) {
      await Promise.all(group.map((child) => child.stop(stopLimitMs)));
    }
    await this.#sql?.stop();
    removeMeshFile(dataDir);
  }

  /** Ends everything now. */
  kill(): void {
    for (const child of this.#children) child.kill();
    this.#sql?.kill();
  }

  #childOf(spec: ProcessSpec): Child {
    const { screen, cwd, processes } = this.#options;
    const name = labelOf(spec, processes);
    return new Child({
      spec,
      cwd,
      clock: this.#clock,
      env: () => this.#envOf(spec),
      onLine: (line) => screen.line(name, `${spec.service}-${spec.number}`, line),
      onState: (state) => this.#changed(spec, state),
      onCrash: (how, delayMs) => {
        screen.say("warn", `${name} ${how}; starting it again in ${delayMs / 1000} s`, { process: name, delayMs });
      },
    });
  }

  #envOf(spec: ProcessSpec): Record<string, string | undefined> {
    const { env, config } = this.#options;
    return {
      ...env,
      ...Object.fromEntries(Object.entries(config.found).map(([name, url]) => [name, url.reveal()])),
      WEFT_DATA_DIR: config.dataDir,
      WEFT_PROFILE: config.profile,
      ...(config.adminTokenFile === undefined ? {} : { WEFT_USER_ADMIN_TOKEN_FILE: config.adminTokenFile }),
      // Several processes can't share a port: each takes a free one.
      WEFT_GRPC_PORT: "0",
      WEFT_ADMIN_PORT: "0",
      WEFT_ADVERTISE_PORT: "0",
      ...(this.#edgePort === undefined ? {} : { WEFT_PORT: this.#edgePort }),
      ...(config.edge?.port === 0 && this.#edgePort === undefined ? { WEFT_PORT: "0" } : {}),
      ...(spec.needsSql === true && this.#sqlUrl !== undefined ? { WEFT_SQL: this.#sqlUrl.reveal() } : {}),
      ...spec.env,
    };
  }

  #sqlReady(url: Secret): void {
    const moved = this.#sqlUrl !== undefined && this.#sqlUrl.reveal() !== url.reveal();
    this.#sqlUrl = url;
    for (const child of this.#children) {
      if (child.spec.needsSql !== true) continue;
      if (moved) child.replace();
      else child.start();
    }
  }

  #changed(spec: ProcessSpec, state: ChildState): void {
    const { screen } = this.#options;
    if (state.kind === "ready" && spec.service === "gateway")
      this.#edgePort ??= state.ready.listeners[0]?.split(":").at(-1);
    if (this.#stopping) return;
    this.#write();
    const states = this.#children.map((child) => child.state.kind);
    if (this.#announced || states.some((kind) => kind !== "ready")) return;
    this.#announced = true;
    // Since Node itself began: people wait for that too.
    const seconds = (performance.now() / 1000).toFixed(1);
    screen.show(this.#summary());
    const { gateway, processes } = this.#file();
    const facts = { event: "ready", seconds: Number(seconds), ...(gateway === undefined ? {} : { gateway }) };
    screen.say("info", `mesh is ready in ${seconds} s`, { ...facts, processes: processes.length });
  }

  #summary(): string[] {
    const { paint } = this.#options.screen;
    const { dataDir, adminTokenFile } = this.#options.config;
    const { gateway, processes } = this.#file();
    const [head = "", ...rows] = table([
      ["PROCESS", "PID", "gRPC", "ADMIN"],
      ...processes.map((one) => [
        labelOf(one, processes),
        String(one.pid ?? ""),
        one.grpc ?? "",
        one.admin === undefined ? "" : `http://${one.admin}`,
      ]),
    ]);
    const places: [string, string][] = [
      ...(gateway === undefined
        ? []
        : ([
            ["gateway", gateway],
            ["docs", `${gateway}/docs`],
          ] as [string, string][])),
      ...(adminTokenFile === undefined ? [] : ([["admin token", adminTokenFile]] as [string, string][])),
      ["logs", join(dataDir, "logs")],
      ["stop", "Ctrl-C"],
    ];
    return ["", paint("dim", head), ...rows, "", ...table(places).map((line) => paint("bold", line)), ""];
  }

  #file(): MeshFile {
    const { profile } = this.#options.config;
    const edge = this.#children.find(({ spec }) => spec.service === "gateway")?.state;
    const address = edge?.kind === "ready" ? edge.ready.listeners[0] : undefined;
    return {
      pid: process.pid,
      startTime: this.#startTime,
      startedAt: this.#since,
      profile,
      ...(address === undefined ? {} : { gateway: `http://${address}` }),
      processes: this.#children.map(({ spec, state }) => processOf(spec, state)),
    };
  }

  #write(): void {
    try {
      writeMeshFile(this.#options.config.dataDir, this.#file());
    } catch (error) {
      // A full disk is no reason to end the mesh: `weft status` is behind until the next change.
      const why = error instanceof Error ? error.message : String(error);
      this.#options.screen.say("warn", `mesh.json can't be written: ${why}`);
    }
  }
}

function processOf({ service, number }: ProcessSpec, state: ChildState): MeshProcess {
  const base = { service, number };
  switch (state.kind) {
    case "ready": {
      const { instance, grpc, admin } = state.ready;
      return { ...base, state: "ready", ...idOf(state.pid), instance, grpc, admin };
    }
    case "starting":
      return { ...base, state: "starting", ...idOf(state.pid) };
    case "waiting":
      return { ...base, state: "starting" };
    case "restarting":
    case "stopped":
      return { ...base, state: state.kind };
  }
}

function idOf(pid: number): { readonly pid: number; readonly startTime?: string } {
  const startTime = startTimeOf(pid);
  return startTime === undefined ? { pid } : { pid, startTime };
}

type Replica = Pick<ProcessSpec, "service" | "number">;

/** `user`, or `user-2` where there are several. */
export function labelOf({ service, number }: Replica, all: readonly Replica[]): string {
  const isAlone = all.filter((other) => other.service === service).length === 1;
  return isAlone ? service : `${service}-${number}`;
}
