import { openState } from "@weft/blocks";
import { services } from "@weft/contracts";
import { commonSettings, type ServiceHost, type ServiceParts } from "@weft/service";
import { boundedStore, type StateStore } from "@weft/state";
import { attributes, metricNames } from "@weft/telemetry";
import { createEdge } from "./http/server.ts";
import { EdgeLimits } from "./limits/edge-limits.ts";
import { Shedding } from "./limits/shedding.ts";
import { type GatewayConfig, settings } from "./settings.ts";

/**
 * The gateway: an HTTP edge of all public services, which it reaches through discovery. It owns nothing; what its replicas
 * share of rate limits lives for seconds, and they do without.
 */
export function compose(host: ServiceHost<GatewayConfig>): ServiceParts {
  const { config, log, metrics, blocks, tokens, service, onDecision, clock } = host;
  const { httpMethod, httpRoute, httpStatus } = attributes;
  const record = metrics.histogram(metricNames.httpServerDuration, [httpMethod, httpRoute, httpStatus]);
  const open = (): Promise<StateStore> => openState(blocks, "limits");
  // Ahead of its first use, which has no time for it. The start waits for nothing here.
  open().catch(() => undefined);
  const store = boundedStore(open, { clock });
  const limits = new EdgeLimits({ settings: config, service, store, tokens, onDecision, clock, log });
  host.hot(settings.limits, (value) => limits.configure({ limits: value }));
  host.hot(settings.trustedProxies, (value) => limits.configure({ trustedProxies: value }));
  const shedding = new Shedding({ service, onDecision });
  host.hot(commonSettings.overload, ({ turns }) => shedding.configure(turns ?? {}));
  const edge = createEdge({
    services,
    transport: (target) => host.transport(target),
    config,
    limits,
    shedding,
    log,
    onAnswer: ({ method, template, status, durationMs }) =>
      record(durationMs / 1000, { [httpMethod]: method, [httpRoute]: template, [httpStatus]: String(status) }),
    onDrop: () => onDecision({ kind: "shed", target: service, reason: "connections" }),
  });
  return { services: [], listeners: [edge] };
}
