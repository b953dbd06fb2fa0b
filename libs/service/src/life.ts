import { Blocks, openConfiguration, openDiscovery } from "@weft/blocks";
import { newUuid, systemClock, WeftError } from "@weft/kit";
import { openServer, type RpcServer } from "@weft/rpc";
import { createMetrics, type Logger, measureProcess } from "@weft/telemetry";
import { type AdminServer, type CallsReport, openAdmin, statsOf } from "./admin.ts";
import { advertised } from "./advertise.ts";
import { Background } from "./background.ts";
import { ClientMetrics, measureTargets } from "./client-metrics.ts";
import { Decisions } from "./decisions.ts";
import { FollowedSettings } from "./follow-settings.ts";
import type { Listener, ServiceHost, ServiceParts } from "./host.ts";
import type { LiveSettings } from "./live.ts";
import { Mesh } from "./mesh.ts";
import { Phases } from "./phases.ts";
import { complain } from "./problem.ts";
import { tellSupervisor } from "./process-events.ts";
import { Readiness } from "./readiness.ts";
import { measureCalls, measureServer } from "./rpc-metrics.ts";
import { blockUrlsOf, type CommonConfig, commonSettings } from "./settings.ts";
import type { Stop } from "./stop.ts";
import { meshTokens } from "./tokens.ts";

/**
 * Longest time for a registry to take note that a process leaves, in milliseconds. One that is silent holds up nobody:
 * callers hear from the process itself that it stops, and the entry runs out.
 */
const deregisterMs = 2000;

/**
 * How long a stop waits for a start that is under way, in milliseconds: that may wait much longer for a server that is
 * not there. What it opens after that is closed at once, or with the process.
 */
const startEndMs = 2000;

const clock = systemClock;

export interface LifeOptions<Config> {
  readonly name: string;
  readonly compose: (host: ServiceHost<Config>) => Promise<ServiceParts> | ServiceParts;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version?: string;
  readonly config: CommonConfig;
  readonly serviceConfig: Config;
  readonly live: LiveSettings;
  readonly instance: string;
  readonly log: Logger;
  readonly stop: Stop;
}

/** One run of a service: what is open, in which order it came to be, and how it ends. */
export class Life<Config> {
  readonly #options: LifeOptions<Config>;
  readonly #stack = new AsyncDisposableStack();
  readonly #readiness = new Readiness(clock);
  readonly #metrics = createMetrics();
  readonly #background: Background;
  readonly #decisions: Decisions;
  readonly #phases: Phases;
  #mesh: Mesh | undefined;
  #server: RpcServer | undefined;
  #services: readonly string[] = [];
  #listeners: readonly Listener[] = [];
  /** Its entry in discovery, from when it asks for one. */
  #entry: Promise<AsyncDisposable> | undefined;

  constructor(options: LifeOptions<Config>) {
    this.#options = options;
    const { log, stop } = options;
    this.#phases = new Phases(log, clock);
    this.#decisions = this.#stack.use(new Decisions({ log, metrics: this.#metrics, clock }));
    this.#background = new Background(log, (name) => stop.ask({ why: `background work ${name}`, exitCode: 1 }));
  }

  async live(): Promise<number> {
    const { log, stop, name } = this.#options;
    const startedAt = clock.monotonic();
    const starting = this.#start();
    try {
      await Promise.race([starting, stop.asked.then(() => this.#endOf(starting))]);
      if (!stop.signal.aborted) log.info({ durationMs: Math.round(clock.monotonic() - startedAt) }, "ready");
    } catch (error) {
      const { cause } = WeftError.from(error);
      const err = cause ?? error;
      // When it is to stop anyway, nobody minds.
      const wanted = !stop.signal.aborted;
      if (wanted) stop.ask({ why: "the start failed", exitCode: complain(name, error) });
      log[wanted ? "fatal" : "warn"]({ err }, "the start failed");
    }
    const { why } = await stop.asked;
    log.info({ why }, "stopping");
    const clean = await this.#stop();
    log.info({}, "stopped");
    return clean ? stop.exitCode : 1;
  }

  #endOf(starting: Promise<void>): Promise<void> {
    // Why it failed, if it did, is told by whoever waits for it.
    return this.#phases.runOrLeave("end of the start", startEndMs, () => starting.catch(() => undefined));
  }

  async #start(): Promise<void> {
    const { config, name, instance, log, live, stop } = this.#options;
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
      name,
      onDecision: this.#decisions.tell,
    });
    this.#stack.use(this.#server);
    measureServer(this.#metrics, this.#server);
    const server = this.#server;
    live.watch(commonSettings.overload, (overload) => server.configure(overload));
    this.#services = parts.services.map(({ service }) => service.typeName);
    this.#listeners = parts.listeners ?? [];
    const listening: string[] = [];
    for (const listener of this.#listeners) listening.push(this.#advertised(await listener.listen()));
    this.#background.start();
    const isReady = await this.#readiness.passes(config.readyTimeoutMs, stop.signal);
    if (stop.signal.aborted) return;

    const grpc = this.#advertised(this.#server.address, config.advertisePort);
    const adminAddress = this.#advertised(admin.address);
    if (isReady) this.#setServing(true);
    // Callers of an edge come by its own listener.
    const address = parts.services.length === 0 ? (listening[0] ?? grpc) : grpc;
    const metadata = {
      version: config.version ?? this.#options.version ?? "0.0.0",
      admin: adminAddress,
      grpc,
      pid: String(process.pid),
      ...(config.zone === undefined ? {} : { zone: config.zone }),
      ...(config.weight === 1 ? {} : { weight: String(config.weight) }),
    };
    this.#entry = discovery.register({ service: name, id: instance, address, metadata });
    await this.#entry;
    if (stop.signal.aborted) return;

    // Not before it can be found: whoever waits for it to be ready then stops others.
    this.#readiness.phase = "serving";
    if (!isReady) void this.#serveWhenReady();
    tellSupervisor({ type: "ready", instance, grpc, admin: adminAddress, listeners: listening });
  }

  /**
   * It has never been ready: callers take others as long as there are any. From the first time on it says that it
   * serves, whatever happens to what it depends on: its replicas depend on the same, and the one that is cut off alone
   * is ejected by its callers.
   */
  async #serveWhenReady(): Promise<void> {
    const { log, stop } = this.#options;
    const { checks } = await this.#readiness.report();
    log.warn({ checks }, "listed, but not ready yet: it gets calls if nobody else is there");
    if (!(await this.#readiness.passes(Number.POSITIVE_INFINITY, stop.signal))) return;
    this.#setServing(true);
    log.info({}, "ready now");
  }

  #advertised(address: string, port?: number): string {
    return advertised(address, this.#options.config.advertiseHost, port);
  }

  async #openAdmin(): Promise<AdminServer> {
    const { config, name: service, instance } = this.#options;
    const { host, adminPort: port } = config;
    const options = {
      host,
      port,
      service,
      instance,
      readiness: this.#readiness,
      metrics: this.#metrics,
      calls: () => this.#calls(),
    };
    return this.#stack.use(await openAdmin(options));
  }

  #calls(): Pick<CallsReport, "targets" | "server"> {
    const server = this.#server && statsOf(this.#server.stats, this.#listeners);
    return { targets: this.#mesh?.status() ?? [], ...(server === undefined ? {} : { server }) };
  }

  async #compose() {
    const { config, serviceConfig, name, instance, log, live, env, compose } = this.#options;
    const { dataDir, zone } = config;
    const blocks = new Blocks({ dataDir, urls: blockUrlsOf(config), stack: this.#stack, env, log, clock });
    const settings = this.#stack.use(new FollowedSettings({ open: () => openConfiguration(blocks), live, log, clock }));
    live.watch(commonSettings.logLevel, (level) => (log.level = level));
    // Settings first: what is composed with them is not to change a moment later.
    const [discovery] = await Promise.all([openDiscovery(blocks), settings.ready()]);
    const metrics = new ClientMetrics(this.#metrics, clock);
    const caller = { id: instance, ...(zone === undefined ? {} : { zone }) };
    const mesh = new Mesh({ discovery, stack: this.#stack, onDecision: this.#decisions.tell, metrics, caller });
    this.#mesh = mesh;
    measureTargets(this.#metrics, mesh);
    live.watch(commonSettings.calls, (policies) => mesh.configure(policies));
    const host: ServiceHost<Config> = {
      config: serviceConfig,
      service: name,
      instance,
      log,
      metrics: this.#metrics,
      onDecision: this.#decisions.tell,
      clock,
      newId: newUuid,
      blocks,
      stack: this.#stack,
      tokens: meshTokens(mesh, clock),
      client: (service, target) => mesh.client(service, target),
      transport: (target) => mesh.transport(target),
      background: (what, work) => this.#background.add(what, work),
      readiness: (what, check) => this.#readiness.add(what, check),
      hot: (setting, apply) => live.watch(setting, apply),
    };
    return { parts: await compose(host), discovery, host };
  }

  #setServing(serving: boolean): void {
    for (const service of ["", ...this.#services]) this.#server?.health.set(service, serving);
  }

  /** One that is being registered leaves as soon as it is. */
  async #deregister(): Promise<void> {
    // Why it could not be registered is told by the start.
    const entry = await this.#entry?.catch(() => undefined);
    await entry?.[Symbol.asyncDispose]();
  }

  /** Whether all of it went well. */
  async #stop(): Promise<boolean> {
    const { config } = this.#options;
    const phases = this.#phases;
    this.#readiness.phase = "draining";
    this.#setServing(false);
    for (const listener of this.#listeners) listener.leave?.();
    if (this.#entry !== undefined) {
      await phases.runOrLeave("deregister", deregisterMs, () => this.#deregister());
      await phases.run("settle", config.settleMs + 1000, (signal) => clock.sleep(config.settleMs, signal));
    }
    await phases.runOrCut("drain", config.drainTimeoutMs, async (signal) => {
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
