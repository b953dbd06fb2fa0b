import { parseServerUrl, Secret, WeftError } from "@weft/kit";

/** What the URL says. */
export interface KafkaSettings {
  /** Brokers to begin with. */
  readonly brokers: readonly { readonly host: string; readonly port: number }[];
  readonly namespace: string;
  readonly tls: boolean;
  readonly login: Login | undefined;
  readonly gzip: boolean;
  /** Replicas of a new topic; undefined: as many as the broker makes by default. */
  readonly replication: number | undefined;
  /** Replicas that must have an event before it is acknowledged; undefined: what the broker says. */
  readonly minInsync: number | undefined;
  /** How long events are kept, in milliseconds. */
  readonly retentionMs: number;
}

export interface Login {
  readonly mechanism: (typeof mechanisms)[number];
  readonly username: string;
  readonly password: Secret;
}

const mechanisms = ["plain", "scram-sha-256", "scram-sha-512"] as const;
const hourMs = 3_600_000;

/**
 * Reads `kafka://[user:password@]host[:port][,…]?namespace=&tls=&mechanism=&compression=&replication=&minInsync=&retentionHours=`.
 * `INVALID_CONFIGURATION` for anything else, never with the URL in it.
 */
export function readSettings(url: Secret): KafkaSettings {
  const parameters = ["mechanism", "compression", "replication", "minInsync", "retentionHours"];
  const parsed = parseServerUrl(url, { scheme: "kafka", defaultPort: 9092, parameters });
  const { mechanism = "plain", compression = "none", retentionHours = "168" } = parsed.parameters;
  if (parsed.path !== "") bad("a kafka URL has no path");
  if (compression !== "none" && compression !== "gzip") bad("compression is none or gzip");
  const known = mechanisms.find((name) => name === mechanism) ?? bad(`mechanism is one of ${mechanisms.join(", ")}`);
  const { user, password } = parsed;
  if ((user === undefined) !== (password === undefined)) bad("user and password go together");
  return {
    brokers: parsed.hosts,
    namespace: parsed.namespace,
    tls: parsed.tls,
    login:
      user === undefined || password === undefined
        ? undefined
        : { mechanism: known, username: user, password: new Secret(password) },
    gzip: compression === "gzip",
    replication: optionalCount("replication", parsed.parameters["replication"]),
    minInsync: optionalCount("minInsync", parsed.parameters["minInsync"]),
    retentionMs: count("retentionHours", retentionHours) * hourMs,
  };
}

function optionalCount(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : count(name, text);
}

function count(name: string, text: string): number {
  return /^[1-9]\d{0,5}$/.test(text) ? Number(text) : bad(`${name} is a whole number from 1`);
}

function bad(message: string): never {
  throw new WeftError("INVALID_CONFIGURATION", message);
}
