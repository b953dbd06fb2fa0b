import { parseServerUrl, type Secret, type ServerUrl, WeftError } from "@weft/kit";

/** What the URL says of the server. */
export interface RedisSettings {
  /** At least one; exactly one unless it is a cluster. */
  readonly hosts: ServerUrl["hosts"];
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** Number of the database; 0 in a cluster, which has no other. */
  readonly db: number;
  readonly tls: boolean;
  readonly cluster: boolean;
  readonly namespace: string;
}

/**
 * Reads `redis://[user:password@]host[:port][,host[:port]…][/db][?namespace=…&tls=true&cluster=true]`; `rediss://` is
 * `tls=true`. `INVALID_CONFIGURATION` for anything else, without repeating the URL.
 */
export function readRedisUrl(url: Secret): RedisSettings {
  const { hosts, user, password, path, tls, namespace, parameters } = parseServerUrl(url, {
    scheme: "redis",
    defaultPort: 6379,
    parameters: ["cluster"],
  });
  const { cluster = "false" } = parameters;
  if (cluster !== "true" && cluster !== "false") throw invalid("cluster is true or false");
  if (!/^\d{0,5}$/.test(path)) throw invalid("what stands after the host is the number of a database");
  if (cluster === "true" && Number(path) !== 0) throw invalid("a cluster has no database but 0");
  if (cluster === "false" && hosts.length > 1) throw invalid("several hosts are a cluster's: add cluster=true");
  return {
    ...{ hosts, user, password, namespace },
    db: Number(path),
    tls: tls || /^rediss:/i.test(url.reveal()),
    cluster: cluster === "true",
  };
}

function invalid(why: string): WeftError {
  return new WeftError("INVALID_CONFIGURATION", `the Redis URL can't be used: ${why}`);
}
