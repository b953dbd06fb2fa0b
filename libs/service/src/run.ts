import { type ConfigOf, newUuid, type Settings } from "@weft/kit";
import { createLogger } from "@weft/telemetry";
import { prepareDataDir, type ProcessConfig, readConfig } from "./config.ts";
import type { ServiceHost, ServiceParts } from "./host.ts";
import { Life } from "./life.ts";
import { liveSettings } from "./live.ts";
import { complain } from "./problem.ts";
import { leaveProcess, watchProcess } from "./process-events.ts";
import type { CommonConfig } from "./settings.ts";
import { Stop } from "./stop.ts";

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

/**
 * The life of a service from its first line to its exit code.
 *
 * Start: configuration → data folder → admin port → adapters (`compose`) → listen → background work → readiness, for a
 * limited time → SERVING → discovery → `/readyz` is 200. Stop, on SIGINT, SIGTERM, a supervisor that is gone, or a
 * failure: NOT_SERVING and out of discovery → settle → drain → background work ends → everything closes in reverse → 0,
 * or 1 after a failure. Calls that are over the limit of the drain are ended with `DRAINING`. A second signal, or any
 * other step over its limit, ends the process at once with 1. What keeps a process from starting is a line on standard
 * error for each problem, and 1.
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
    live: liveSettings(options.settings, config, log),
    instance,
    log,
    stop,
    env,
  });
  const exitCode = await life.live();
  leaveProcess(exitCode, log);
  return exitCode;
}
