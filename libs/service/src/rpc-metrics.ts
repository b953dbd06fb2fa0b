import type { CallInfo, RpcServer } from "@weft/rpc";
import { attributes, metricNames, type Metrics } from "@weft/telemetry";

/** Measures each call that the server ends. */
export function measureCalls(metrics: Metrics): (info: CallInfo) => void {
  const { rpcService, rpcMethod, rpcCode } = attributes;
  const record = metrics.histogram(metricNames.rpcServerDuration, [rpcService, rpcMethod, rpcCode]);
  return ({ method, code, durationMs }) => {
    const [service = "", name = ""] = method.split("/");
    record(durationMs / 1000, { [rpcService]: service, [rpcMethod]: name, [rpcCode]: code });
  };
}

/** Shows what the server takes at a time, and how it is doing. */
export function measureServer(metrics: Metrics, server: Pick<RpcServer, "stats">): void {
  metrics.gauge(metricNames.rpcServerActive, () => server.stats.inFlight);
  metrics.gauge(metricNames.rpcServerLimit, () => server.stats.limit);
  metrics.gauge(metricNames.degradeScore, () => server.stats.score);
}
