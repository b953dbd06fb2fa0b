import { Blocks, openDiscovery } from "@weft/blocks";
import { type ConfigOf, newUuid, type Settings, systemClock, WeftError } from "@weft/kit";
import { openServer, type RpcServer } from "@weft/rpc";
import { createLogger, createMetrics, type Logger, measureProcess } from "@weft/telemetry";
import { type AdminServer, openAdmin } from "./admin.ts";
import { advertised } from "./advertise.ts";
import { Background } from "./background.ts";
import { prepareDataDir, type ProcessConfig, readConfig } from "./config.ts";
import type { Listener, ServiceHost, ServiceParts } from "./host.ts";
import { Mesh } from "./mesh.ts";
import { Phases } from "./phases.ts";
import { leaveProcess, tellSupervisor, watchProcess } from "./process-events.ts";
import { problemLines } from "./problem.ts";
import { Readiness } from "./readiness.ts";
import { measureCalls } from "./rpc-metrics.ts";
import { blockUrlsOf, type CommonConfig } from "./settings.ts";
import { Stop } from "./stop.ts";
import { meshTokens } from "./tokens.ts";

export interface ServiceOptions<S extends Settings> {
  /** The name under which discovery lists it. */
  readonly name: string;
  /** Beside those that every process has. */
  readonly settings: S;
  /** Makes the service out of its building blocks. Opens what it needs, and starts nothing. */
  readonly compose: (host: ServiceHost<ConfigOf<S> & CommonConfig>) => Promise<ServiceParts> | ServiceParts;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Without the program and the script. */
  readonly argv: readonly string[];
  /** Shown in discovery. Default `0.0.0`. */
  readonly version?: string;
}

/** Longest time for a registry to take note that a process leaves, in milliseconds. */
const deregisterTimeoutMs = 2000;

const clock = systemClock;

/**
 * The life of a service from its first line to its exit code.
 *
 * Start: configuration → data folder → admin port → adapters (`compose`) → listen → background work → SERVING →
 * discovery. Stop, on SIGINT, SIGTERM, a supervisor that is gone, or a failure: NOT_SERVING and out of discovery →
 * settle → drain → background work ends → everything closes in reverse → 0, or 1 after a failure. A second signal or a
 * step over its limit ends the process at once with 1. What keeps a process from starting is a line on standard error
 * for each problem, and 1.
 *
 * The one place that touches what belongs to the process as a whole: signals, uncaught errors, the modes of new files,
 * the exit.
 */
export async function runService<S extends Settings>(options: ServiceOptions<S>): Promise<number> {
  const { name, env } = options;
  let config: ProcessConfig<S>;
  try {
    config = readConfig(options);
    prepareDataDir(config.common.dataDir);
  } catch (error) {
    return complain(name, error);
  }
  // Whatever is written from here on holds personal data or secrets: it is the user's alone.
  process.umask(0o077);
  const instance = newUuid();
  const log = createLogger({ service: name, instance, level: config.common.logLevel });
  const stop = new Stop();
  using _events = watchProcess(stop, log);
  const life = new Life<ConfigOf<S> & CommonConfig>({
    ...options,
    config: config.common,
    serviceConfig: config.all,
    instance,
    log,
    stop,
    env,
  });
  const exitCode = await life.live();
  leaveProcess(exitCode, log);
  return exitCode;
}

interface LifeOptions<Config> {
  readonly name: string;
  readonly compose: (host: ServiceHost<Config>) => Promise<ServiceParts> | ServiceParts;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version?: string;
  readonly config: CommonConfig;
  readonly serviceConfig: Config;
  readonly instance: string;
  readonly log: Logger;
  readonly stop: Stop;
}

/** One run of a service: what is open, in which order it came to be, and how it ends. */
class Life<Config> {
  readonly #options: LifeOptions<Config>;
  readonly #stack = new AsyncDisposableStack();
  readonly #readiness = new Readiness(clock);
  readonly #metrics = createMetrics();
  readonly #background: Background;
  #server: RpcServer | undefined;
  #services: readonly string[] = [];
  #listeners: readonly Listener[] = [];
  #registration: AsyncDisposable | undefined;

  constructor(options: LifeOptions<Config>) {
    this.#options = options;
    const { log, stop } = options;
    this.#background = new Background(log, (name) => stop.ask({ why: `background work ${name}`, exitCode: 1 }));
  }

  async live(): Promise<number> {
    const { log, stop, name } = this.#options;
    const startedAt = clock.monotonic();
    const starting = this.#start();
    try {
      // A stop that is asked for while a start hangs waits for it no longer than for anything else that closes.
      await Promise.race([starting, stop.asked.then(() => this.#limit(starting))]);
      if (!stop.signal.aborted) log.info({ durationMs: Math.round(clock.monotonic() - startedAt) }, "ready");
    } catch (error) {
      stop.ask({ why: "the start failed", exitCode: complain(name, error) });
      const { cause } = WeftError.from(error);
      log.fatal({ err: cause ?? error }, "the start failed");
    }
    const { why } = await stop.asked;
    log.info({ why }, "stopping");
    const clean = await this.#stop();
    log.info({}, "stopped");
    return clean ? stop.exitCode : 1;
  }

  async #limit(starting: Promise<void>): Promise<void> {
    const phases = new Phases(this.#options.log, clock);
    await phases.run("end of the start", this.#options.config.closeTimeoutMs, () => starting);
  }

  async #start(): Promise<void> {
    const { config, name, instance, log, stop } = this.#options;
    this.#stack.use(measureProcess(this.#metrics));
    const admin = await this.#openAdmin();
    const { parts, discovery, host } = await this.#compose();
    if (stop.signal.aborted) return;

    this.#server = await openServer({
      host: config.host,
      port: config.grpcPort,
      services: parts.services,
      tokens: parts.tokens ?? host.tokens,
      clock,
      log,
      onCall: measureCalls(this.#metrics),
    });
    this.#stack.use(this.#server);
    this.#services = parts.services.map(({ service }) => service.typeName);
    this.#listeners = parts.listeners ?? [];
    const listening: string[] = [];
    for (const listener of this.#listeners) listening.push(this.#advertised(await listener.listen()));
    this.#background.start();
    if (stop.signal.aborted) return;

    this.#readiness.phase = "serving";
    const grpc = this.#advertised(this.#server.address);
    const adminAddress = this.#advertised(admin.address);
    this.#setServing(true);
    // Callers of an edge come by its own listener.
    const address = parts.services.length === 0 ? (listening[0] ?? grpc) : grpc;
    const metadata = {
      version: this.#options.version ?? "0.0.0",
      admin: adminAddress,
      grpc,
      pid: String(process.pid),
    };
    this.#registration = await discovery.register({ service: name, id: instance, address, metadata });
    this.#stack.use(this.#registration);
    tellSupervisor({ type: "ready", instance, grpc, admin: adminAddress, listeners: listening });
  }

  #advertised(address: string): string {
    return advertised(address, this.#options.config.advertiseHost);
  }

  async #openAdmin(): Promise<AdminServer> {
    const { config, name: service, instance } = this.#options;
    const { host, adminPort: port } = config;
    const options = { host, port, service, instance, readiness: this.#readiness, metrics: this.#metrics };
    return this.#stack.use(await openAdmin(options));
  }

  async #compose() {
    const { config, serviceConfig, name, instance, log, env, compose } = this.#options;
    const { dataDir } = config;
    const blocks = new Blocks({ dataDir, urls: blockUrlsOf(config), stack: this.#stack, env, log, clock });
    const discovery = await openDiscovery(blocks);
    const mesh = new Mesh(discovery, this.#stack);
    const host: ServiceHost<Config> = {
      config: serviceConfig,
      service: name,
      instance,
      log,
      metrics: this.#metrics,
      clock,
      newId: newUuid,
      blocks,
      stack: this.#stack,
      tokens: meshTokens(mesh, clock),
      client: (service, target) => mesh.client(service, target),
      transport: (target) => mesh.transport(target),
      background: (what, work) => this.#background.add(what, work),
      readiness: (what, check) => this.#readiness.add(what, check),
    };
    return { parts: await compose(host), discovery, host };
  }

  #setServing(serving: boolean): void {
    for (const service of ["", ...this.#services]) this.#server?.health.set(service, serving);
  }

  /** Whether all of it went well. */
  async #stop(): Promise<boolean> {
    const { config, log } = this.#options;
    const phases = new Phases(log, clock);
    const wasServing = this.#readiness.phase === "serving";
    this.#readiness.phase = "draining";
    this.#setServing(false);
    if (wasServing) {
      await phases.run("deregister", deregisterTimeoutMs, async () => this.#registration?.[Symbol.asyncDispose]());
      await phases.run("settle", config.settleMs + 1000, (signal) => clock.sleep(config.settleMs, signal));
    }
    await phases.run("drain", config.drainTimeoutMs, async (signal) => {
      await Promise.all([
        ...this.#listeners.map((listener) => listener.drain(signal)),
        ...(this.#server === undefined ? [] : [this.#server.drain(signal)]),
      ]);
    });
    await phases.run("flush", config.flushTimeoutMs, () => this.#background.stop());
    await phases.run("close", config.closeTimeoutMs, () => this.#stack.disposeAsync());
    return !phases.failed;
  }
}

/** Says on standard error why the process can't start, a line for each problem. The exit code. */
function complain(name: string, error: unknown): 1 {
  for (const line of problemLines(error)) process.stderr.write(`${name}: ${line}\n`);
  return 1;
}
