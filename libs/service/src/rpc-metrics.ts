import type { CallInfo, RpcServer } from "@weft/rpc";
import { attributes, metricNames, type Metrics } from "@weft/telemetry";

/** Measures each call that the server ends. */
export function measureCalls(metrics: Metrics): (info: CallInfo) => void {
  const { rpcService, rpcMethod, rpcCode } = attributes;
  const record = metrics.histogram(metricNames.rpcServerDuration, [rpcService, rpcMethod, rpcCode]);
  return ({ method, code, durationMs }) => record(durationMs / 1000, { ...methodAttributes(method), [rpcCode]: code });
}

/**
 * How every metric names a method, `weft.user.v1.UserService/GetUser`: by its service and its name, so that those of
 * clients, servers and decisions can be joined. Both empty where there is none.
 */
export function methodAttributes(method: string): Readonly<Record<string, string>> {
  const slash = method.lastIndexOf("/");
  const service = method.slice(0, Math.max(0, slash));
  return { [attributes.rpcService]: service, [attributes.rpcMethod]: method.slice(slash + 1) };
}

/** Shows what the server takes at a time, and how it is doing. */
export function measureServer(metrics: Metrics, server: Pick<RpcServer, "stats">): void {
  metrics.gauge(metricNames.rpcServerActive, () => server.stats.inFlight);
  metrics.gauge(metricNames.rpcServerLimit, () => server.stats.limit);
  metrics.gauge(metricNames.degradeScore, () => server.stats.score);
}
