import type { Http2Server } from "node:http2";
import type { ChannelOptions, Server } from "@grpc/grpc-js";
import type { ResetAllowance } from "../wire/resets.ts";

/** What a server allows the connections of its callers; all have defaults. */
export interface ConnectionOptions {
  /**
   * A connection is ended (GOAWAY) after this many milliseconds, a tenth more or less by chance, so that callers spread
   * over new replicas. Default 30 minutes.
   */
  readonly maxAgeMs?: number;
  /** Calls on it may go on for so long after that. Default an hour, the longest that a contract grants a call. */
  readonly ageGraceMs?: number;
  /** A silent connection is asked whether it lives every so many milliseconds. Default 60,000. */
  readonly keepaliveMs?: number;
  /** And is cut when it gives no answer for so many. Default 30,000. */
  readonly keepaliveTimeoutMs?: number;
  /** Connections at a time; more are closed at once. Default 10,000. */
  readonly maxConnections?: number;
  /** Calls and streams of one connection at a time; more wait at the caller. Default 10,000. */
  readonly maxStreams?: number;
  /** Cancelled calls that one connection may have at once before it is taken for an attack and closed. Default 20,000. */
  readonly resetBurst?: number;
  /** And each second after that. Default 2,000. */
  readonly resetsPerSecond?: number;
}

const defaults: Required<ConnectionOptions> = {
  maxAgeMs: 30 * 60_000,
  ageGraceMs: 60 * 60_000,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 30_000,
  maxConnections: 10_000,
  maxStreams: 10_000,
  resetBurst: 20_000,
  resetsPerSecond: 2_000,
};

/** The same as grpc-js's options for a server, as far as it has any. */
export function channelOptionsOf(options: ConnectionOptions): ChannelOptions {
  const { maxAgeMs, ageGraceMs, keepaliveMs, keepaliveTimeoutMs, maxStreams } = { ...defaults, ...options };
  return {
    "grpc.max_connection_age_ms": maxAgeMs,
    "grpc.max_connection_age_grace_ms": ageGraceMs,
    "grpc.keepalive_time_ms": keepaliveMs,
    "grpc.keepalive_timeout_ms": keepaliveTimeoutMs,
    "grpc.max_concurrent_streams": maxStreams,
  };
}

/**
 * Before `server` listens: how many resets a connection may have. Node's 1,000 and then 33 a second (against 'rapid
 * reset', CVE-2023-44487) are meant for strangers; a caller of the mesh has thousands of calls on one connection, and
 * when it gives up on some of them, the others must not be lost with the connection. grpc-js has no option for it.
 */
export function allowResets(server: Server, { burst, perSecond }: ResetAllowance): void {
  const common: unknown = Reflect.get(server, "commonServerOptions");
  if (typeof common !== "object" || common === null) throw missing("commonServerOptions");
  // Frames for streams that were reset a moment ago count as invalid ones.
  const maxSessionInvalidFrames = burst;
  Object.assign(common, { streamResetBurst: burst, streamResetRate: perSecond, maxSessionInvalidFrames });
}

/** How many resets a connection may have. */
export function allowanceOf(options: ConnectionOptions): ResetAllowance {
  const { resetBurst: burst, resetsPerSecond: perSecond } = { ...defaults, ...options };
  return { burst, perSecond };
}

/** Once `server` listens: its HTTP/2 servers, one for each address. grpc-js does not show them. */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  if (!(servers instanceof Map) || servers.size === 0) throw missing("http2Servers");
  return [...servers.keys()];
}

/** Once it listens: how many connections it takes. */
export function boundConnections(servers: readonly Http2Server[], options: ConnectionOptions): void {
  for (const server of servers) server.maxConnections = options.maxConnections ?? defaults.maxConnections;
}

function missing(field: string): Error {
  return new Error(`grpc-js has changed: its server has no ${field} any more`);
}
