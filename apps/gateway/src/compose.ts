import { services } from "@weft/contracts";
import type { ServiceHost, ServiceParts } from "@weft/service";
import { attributes, metricNames } from "@weft/telemetry";
import { createEdge } from "./http/server.ts";
import type { GatewayConfig } from "./settings.ts";

/** The gateway: an HTTP edge of all public services, which it reaches through discovery. It owns nothing. */
export function compose(host: ServiceHost<GatewayConfig>): ServiceParts {
  const { config, log, metrics } = host;
  const { httpMethod, httpRoute, httpStatus } = attributes;
  const record = metrics.histogram(metricNames.httpServerDuration, [httpMethod, httpRoute, httpStatus]);
  const edge = createEdge({
    services,
    transport: (target) => host.transport(target),
    config,
    log,
    onAnswer: ({ method, template, status, durationMs }) =>
      record(durationMs / 1000, { [httpMethod]: method, [httpRoute]: template, [httpStatus]: String(status) }),
  });
  return { services: [], listeners: [edge] };
}
