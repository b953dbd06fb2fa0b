import { services } from "@weft/contracts";
import { loadConfig, silentLog } from "@weft/kit";
import type { Transport } from "@weft/rpc";
import type { TokenVerifier } from "@weft/security";
import type { CacheStore } from "@weft/state";
import type { EdgeParts } from "../http/handler.ts";
import { createEdge, type Edge } from "../http/server.ts";
import { EdgeLimits } from "../limits/edge-limits.ts";
import { Shedding } from "../limits/shedding.ts";
import { type GatewayConfig, settings } from "../settings.ts";
import { FakeTransport } from "./fake-transport.ts";

/** An edge over a fake transport, for tests. */
export interface TestEdge extends AsyncDisposable {
  readonly edge: Edge;
  readonly fake: FakeTransport;
  /** `http://127.0.0.1:port` */
  readonly url: string;
}

/** Limits of one edge, shared with nobody. */
export function ownLimits(config: GatewayConfig, tokens?: TokenVerifier): EdgeLimits {
  return new EdgeLimits({ settings: config, service: "gateway", store: nobody, tokens });
}

/** A store that takes everything and knows nothing. */
const nobody: CacheStore = {
  capabilities: new Set(["ttl"]),
  get: async () => undefined,
  set: async () => "1",
  delete: async () => {},
};

/** What stands before and behind the calls of an edge, and who hears of them. */
export interface EdgeGuards extends Pick<EdgeParts, "onAnswer" | "onDrop"> {
  /** Default: a fake one. */
  readonly transport?: Transport;
  readonly limits?: (config: GatewayConfig) => EdgeLimits;
  readonly shedding?: Shedding;
}

/** Listens on a free port of 127.0.0.1. */
export async function openTestEdge(config: Partial<GatewayConfig> = {}, parts: EdgeGuards = {}): Promise<TestEdge> {
  const fake = new FakeTransport();
  const { transport = fake, limits = ownLimits, shedding = new Shedding({ service: "gateway" }), ...told } = parts;
  const full = { ...loadConfig(settings, { env: {}, argv: [] }), port: 0, ...config };
  const edge = createEdge({
    services,
    transport: () => transport,
    config: full,
    limits: limits(full),
    shedding,
    log: silentLog,
    ...told,
  });
  const url = `http://${await edge.listen()}`;
  return { edge, fake, url, [Symbol.asyncDispose]: () => edge.drain(AbortSignal.timeout(50)) };
}

/** A header that passes for a token. */
export const token = { authorization: "Bearer some.good.token" };
