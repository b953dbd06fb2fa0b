import { readFile } from "node:fs/promises";
import type { ClientConfig } from "pg";
import { type Secret, WeftError } from "@weft/kit";

/** Bounds of a database handle. Each is a parameter of the URL, too, which counts more than the option. */
export interface PostgresLimits {
  /** Most connections at a time, beside one for LISTEN. Default 10. */
  readonly poolSize?: number;
  /** How long a query waits for a connection, in milliseconds. Default 5,000. */
  readonly acquireTimeoutMs?: number;
  /** Limit of a single statement, in milliseconds. Default 10,000. */
  readonly statementTimeoutMs?: number;
  /** How long a statement waits for a lock, in milliseconds. Default: half of what the statement may take. */
  readonly lockTimeoutMs?: number;
}

/** Where a database is, and how to talk to it. */
export interface PostgresUrl {
  readonly server: Pick<ClientConfig, "host" | "port" | "user" | "password" | "database" | "ssl" | "application_name">;
  readonly limits: PostgresLimits;
}

/** The largest value of each. */
const limitNames = {
  poolSize: 1000,
  acquireTimeoutMs: 600_000,
  statementTimeoutMs: 3_600_000,
  lockTimeoutMs: 3_600_000,
} as const satisfies Record<keyof PostgresLimits, number>;

const libpqNames = ["host", "sslmode", "sslrootcert", "sslcert", "sslkey", "application_name"] as const;

type Parameters = Partial<Record<(typeof libpqNames)[number] | keyof PostgresLimits, string>>;

/**
 * Reads `postgres://user:password@host:port/database`, with parameters of libpq (`host`, `application_name`, `sslmode`,
 * `sslrootcert`, `sslcert`, `sslkey`) and {@link PostgresLimits}.
 * `INVALID_CONFIGURATION` for anything else, without repeating the URL: it holds a password.
 */
export async function readPostgresUrl(secret: Secret): Promise<PostgresUrl> {
  const text = secret.reveal();
  // No '@' behind the host: it would be the end of a password that is not percent-encoded.
  if (!/^postgres(ql)?:\/\/([^/?#]*@)?[^@]*$/.test(text) || !URL.canParse(text)) {
    throw invalid("the database URL is not of the form postgres://user:password@host:port/database");
  }
  const url = new URL(text);
  const parameters = readParameters(url.searchParams);
  const host = parameters.host ?? url.hostname.replace(/^\[(.*)\]$/, "$1");
  if (host === "") throw invalid("the database URL names no host");
  return {
    server: {
      host: decode(host),
      port: url.port === "" ? 5432 : Number(url.port),
      ...(url.username === "" ? {} : { user: decode(url.username) }),
      ...(url.password === "" ? {} : { password: decode(url.password) }),
      ...(url.pathname.length < 2 ? {} : { database: decode(url.pathname.slice(1)) }),
      ...(parameters.application_name === undefined ? {} : { application_name: parameters.application_name }),
      ssl: await readTls(parameters),
    },
    limits: readLimits(parameters),
  };
}

function readParameters(search: URLSearchParams): Parameters {
  const known: readonly string[] = [...libpqNames, ...Object.keys(limitNames)];
  const unknown = [...search.keys()].find((name) => !known.includes(name));
  if (unknown === undefined) return Object.fromEntries(search);
  throw invalid(`the database URL has no parameter '${unknown}'; there are ${known.join(", ")}`);
}

function readLimits(parameters: Parameters): PostgresLimits {
  const limits: Partial<Record<keyof PostgresLimits, number>> = {};
  for (const [name, most] of Object.entries(limitNames) as [keyof PostgresLimits, number][]) {
    const text = parameters[name];
    if (text === undefined) continue;
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < 1 || value > most) {
      throw invalid(`${name} of the database URL is a whole number from 1 to ${most}`);
    }
    limits[name] = value;
  }
  return limits;
}

const modes = ["disable", "require", "verify-ca", "verify-full"];

/**
 * TLS as libpq's `sslmode` means it (https://www.postgresql.org/docs/18/libpq-ssl.html). Not `allow` and `prefer`,
 * which would go on in the clear without a word. Default `disable`.
 */
async function readTls({ sslmode = "disable", ...files }: Parameters): Promise<ClientConfig["ssl"]> {
  const { sslrootcert, sslcert, sslkey } = files;
  if (!modes.includes(sslmode)) throw invalid(`sslmode of the database URL is one of ${modes.join(", ")}`);
  if (sslmode === "disable") {
    const vain = Object.keys(files).find((name) => /^ssl/.test(name));
    if (vain === undefined) return false;
    throw invalid(`the database URL has ${vain}, and no sslmode that would use it`);
  }
  // `system`, as in libpq, means the authorities that Node trusts.
  const root = sslrootcert === undefined || sslrootcert === "system" ? undefined : sslrootcert;
  if (sslmode === "verify-ca" && root === undefined) {
    throw invalid("sslmode=verify-ca needs an sslrootcert of your own: a public authority vouches for anybody");
  }
  const [ca, cert, key] = await Promise.all([
    readPem("sslrootcert", root),
    readPem("sslcert", sslcert),
    readPem("sslkey", sslkey),
  ]);
  const isAnyName = sslmode === "verify-ca" || (sslmode === "require" && ca !== undefined);
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    rejectUnauthorized: sslmode !== "require" || ca !== undefined,
    ...(isAnyName ? { checkServerIdentity: () => undefined } : {}),
  };
}

async function readPem(name: string, path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, "utf8");
  } catch (cause) {
    throw invalid(`${name} of the database URL can't be read: ${path}`, cause);
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid("the database URL is not percent-encoded where it should be");
  }
}

function invalid(message: string, cause?: unknown): WeftError {
  return new WeftError("INVALID_CONFIGURATION", message, cause === undefined ? {} : { cause });
}
