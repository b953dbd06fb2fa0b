import { Cluster, Redis } from "ioredis";
import { backoffMs, type BackoffOptions } from "@weft/kit";
import { isReplica } from "./errors.ts";
import type { RedisSettings } from "./settings.ts";

/** A server that is back is found soon, and one that starts is not trampled: pauses with full jitter. */
export const reconnectPauses: BackoffOptions = { initialMs: 50, maxMs: 500 };

/**
 * A client that has not connected yet, and never gives up once it has begun.
 *
 * No command is ever sent twice: one whose answer was lost may have been carried out, and a conditional write would meet
 * itself the second time. ioredis sends such commands again by default, on a cluster too.
 *
 * Nor are commands put into pipelines (`enableAutoPipelining`): one costs more time than the system calls that it saves,
 * up to twice that of a command by itself.
 */
export function makeRedis(settings: RedisSettings, timeoutMs: number): Redis | Cluster {
  const { hosts, user, password, db, tls, cluster } = settings;
  const options = {
    connectionName: "weft",
    connectTimeout: timeoutMs,
    keepAlive: 10_000,
    enableReadyCheck: true,
    // How often a server that loads its data is asked whether it is done.
    maxLoadingRetryTime: 500,
    // At the end of a connection: what was under way fails at once.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...(user === undefined ? {} : { username: user }),
    ...(password === undefined ? {} : { password }),
    ...(tls ? { tls: {} } : {}),
  };
  if (!cluster) {
    return new Redis({
      ...options,
      ...hosts[0],
      db,
      lazyConnect: true,
      retryStrategy: pause,
      reconnectOnError: isReplica,
    });
  }
  return new Cluster([...hosts], {
    // A connection that is silent for so long while calls wait is dropped.
    redisOptions: { ...options, socketTimeout: timeoutMs },
    lazyConnect: true,
    clusterRetryStrategy: pause,
    // Callers wait before they send, and for as long as they are meant to.
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    // Certificates hold names, so those are what is connected to.
    ...(tls ? { dnsLookup: (address: string, callback: Lookup) => callback(null, address) } : {}),
  });
}

type Lookup = (error: null, address: string) => void;

function pause(attempt: number): number {
  return backoffMs(attempt, reconnectPauses);
}
