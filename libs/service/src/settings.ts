import { blockUrlDefaults, type BlockUrls, type Profile } from "@weft/blocks";
import { type ConfigOf, Secret, type Setting, setting } from "@weft/kit";
import { readCallPolicies, readOverload } from "@weft/resilience";
import type { LogLevel } from "@weft/telemetry";

/** Said here again, so that whoever reads settings does not load the logger. */
const logLevels = ["debug", "info", "warn", "error", "fatal"] as const satisfies readonly LogLevel[];

/** Longest time limit that a setting may give a phase of the start or stop, in milliseconds. */
const maxPhaseMs = 600_000;

/** What every process can be told. Settings of one process alone begin with its name: `user.sessionMs`. */
export const commonSettings = {
  dataDir: setting.text("dataDir", { default: ".weft", about: "Folder of everything that is stored on this machine." }),
  profile: setting.choice("profile", {
    values: ["embedded", "stack"],
    default: "embedded",
    about: "Which adapters the building blocks use unless told otherwise: embedded ones, or those of real servers.",
  }),
  discovery: blockUrl("discovery", "Where processes find each other."),
  pubsub: blockUrl("pubsub", "The log of events."),
  state: blockUrl("state", "Keyed state."),
  lock: blockUrl("lock", "Locks."),
  search: blockUrl("search", "The search engine."),
  sql: blockUrl(
    "sql",
    "URL of the PostgreSQL database, with its password: `embedded:` for the one that `weft up` runs, or `postgres://user:password@host:port/database`.",
  ),
  configuration: blockUrl("configuration", "Settings that change while processes run."),
  secrets: blockUrl("secrets", "Where secrets are read."),
  logLevel: setting.choice("logLevel", {
    values: logLevels,
    default: "info",
    hot: true,
    about: "The least that is worth a line.",
  }),
  calls: setting.json("calls", {
    read: readCallPolicies,
    default: {},
    hot: true,
    about:
      "How other services are called: an object of policies by the name of the target, `*` for every one. See [calls](calls.md).",
  }),
  overload: setting.json("overload", {
    read: readOverload,
    default: {},
    hot: true,
    about: "How the process meets more calls than it can serve: see [calls](calls.md#overload).",
  }),
  version: setting.text("version", {
    about: "Version of the service as discovery shows it, and as calls are split by it. Unset: the one of the build.",
  }),
  zone: setting.text("zone", {
    about:
      "Where the process runs, for example a zone of the data centre. Calls stay in their zone where that is enough.",
  }),
  weight: setting.integer("weight", {
    default: 1,
    min: 1,
    max: 1000,
    about: "Share of calls that this process gets, beside others of its service.",
  }),
  host: setting.text("host", { default: "127.0.0.1", about: "Address that listeners listen on." }),
  advertiseHost: setting.text("advertiseHost", {
    about:
      "Name or address under which others reach this process. Unset: the address that it listens on, and where that is 0.0.0.0 or ::, the machine's first IPv4 address.",
  }),
  advertisePort: port(
    "advertisePort",
    "Port under which others reach the gRPC server, where a proxy or a container maps another to it; 0: the one it listens on.",
  ),
  grpcPort: port("grpcPort", "Port of the gRPC server; 0 takes a free one."),
  adminPort: port("adminPort", "Port of `/livez`, `/readyz` and `/metrics`; 0 takes a free one."),
  readyTimeoutMs: phase(
    "readyTimeoutMs",
    5_000,
    "How long a process that starts waits for what it depends on before it is listed; after that it is, and gets calls only if nobody else of its service is there.",
  ),
  settleMs: phase("settleMs", 250, "How long a stopping process goes on serving, so that callers notice."),
  drainTimeoutMs: phase("drainTimeoutMs", 30_000, "Limit for the work in flight when a process stops."),
  flushTimeoutMs: phase("flushTimeoutMs", 60_000, "Limit for background work to end after that."),
  closeTimeoutMs: phase("closeTimeoutMs", 10_000, "Limit for closing what is open at the very end."),
} as const satisfies Record<string, Setting<unknown>>;

/** The values of {@link commonSettings}; `dataDir` is absolute. */
export type CommonConfig = ConfigOf<typeof commonSettings>;

/** The URLs of the building blocks in a configuration. */
export function blockUrlsOf(config: CommonConfig): BlockUrls {
  const { discovery, pubsub, state, lock, search, sql, configuration, secrets } = config;
  return { discovery, pubsub, state, lock, search, sql, configuration, secrets };
}

/** The processes of the mesh, as discovery names them. */
export const processNames: readonly string[] = ["gateway", "user", "indexer", "search", "notification"];

/** What the environment may hold that belongs to nobody's schema, or to the gateway's alone. */
const elsewhere = ["WEFT_PORT", "WEFT_SECRET_"];

/**
 * Names that a process leaves to others, as all of them read one environment and one `weft.yaml`: prefixes by name of
 * the other processes, and secrets. `weft up` knows all schemas and checks every name.
 */
export function foreignNames(service: string): readonly string[] {
  const others = processNames.filter((name) => name !== service);
  return [...others.map((name) => `WEFT_${name.toUpperCase()}_`), ...elsewhere];
}

/** Its default depends on the profile. */
function blockUrl(name: keyof BlockUrls, about: string): Setting<Secret> {
  const valueOf = (profile: Profile): Secret => new Secret(blockUrlDefaults(profile)[name]);
  const values = { embedded: valueOf("embedded"), stack: valueOf("stack") };
  return setting.secretUrl(name, { defaultBy: { setting: "profile", values }, about });
}

function port(name: string, about: string): Setting<number> {
  return setting.integer(name, { default: 0, min: 0, max: 65_535, about });
}

function phase(name: string, defaultMs: number, about: string): Setting<number> {
  return setting.durationMs(name, { default: defaultMs, max: maxPhaseMs, about });
}
